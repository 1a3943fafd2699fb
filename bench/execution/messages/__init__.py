"""The messages between the parent and a cell's process."""
