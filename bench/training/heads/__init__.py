"""Heads on the features of a frozen backbone."""
