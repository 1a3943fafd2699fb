"""Optimizers, schedules and batch sizes."""
