"""The registered models, one line of data each."""
