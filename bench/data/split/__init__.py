"""Which image is for training, validation or test."""
