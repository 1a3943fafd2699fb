"""Batches of images, and the random choices for them."""
