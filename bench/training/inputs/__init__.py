"""Batches of images, and what is drawn at random for them."""
