"""The lines of a cell's history.jsonl: one for each finished epoch."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from bench.results.stored import Amount, Count, Stored

__all__ = ["EpochRecord", "PassScores"]


class PassScores(Stored):
    """Scores over one pass of an epoch; not a number where the training diverged."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    loss: float | None = None
    """Mean cross-entropy of an image, nats."""
    accuracy: float | None = None
    """Share of images (0 to 1) whose class is right."""
    balanced_accuracy: float | None = None
    """Mean over the classes of the share of each that is right, 0 to 1."""
    kappa: float | None = None
    """Cohen's kappa, -1 to 1; None where it is not defined."""
    selected: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """The metric that ``train.select`` names, where it is none of the above; left out where it is, or is undefined."""


class EpochRecord(Stored):
    """One finished epoch; None: it was not measured."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    epoch: Count
    """Its number, from 1."""
    lr: float | None = None
    """Learning rate of its last step."""
    train: PassScores = PassScores()
    """Scores of the training pass itself, before each step, on augmented images."""
    validation: PassScores | None = None
    """Scores on the validation images after it; None: it was not validated."""
    train_seconds: Amount | None = None
    """Seconds of the training pass."""
    validation_seconds: Amount | None = None
    """Seconds of the validation."""
    images_per_second: Amount | None = None
    """Training images in each second of the training pass."""
