"""What the parent and a cell's process send each other."""
