"""The machine: what it is, what it is busy with, and what hinders measuring."""
