"""How a cell is run: in a process of its own."""
