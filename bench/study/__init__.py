"""What a study says: its schema, its units, and how its file is read."""
