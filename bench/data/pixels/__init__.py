"""Decoded pixels on disk."""
