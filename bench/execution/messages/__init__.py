"""What the parent and a cell's process tell each other."""
