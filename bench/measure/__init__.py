"""Time, memory and the environment."""
