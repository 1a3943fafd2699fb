"""What runs in a cell's own process; the only part of execution that imports torch."""
