"""What a study holds: its schema, its units, and how its file is read."""
