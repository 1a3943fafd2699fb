"""What a cell's learner is and what it sees, and what has become of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from bench.results.settings import CellSettings
from bench.training.inputs.batches import Batches
from bench.training.loop import TrainResult

__all__ = ["HeadResult", "Plan"]


@dataclass(frozen=True)
class Plan:
    """What the loop is given for a cell."""

    learner: nn.Module
    """What learns: the whole model, or only its head when the features are cached."""
    train: Batches
    validation: Batches
    features_seconds: float | None
    """Of the backbone's pass over the images; None where the features are not cached."""
    settings: CellSettings
    """What was done, for the record."""


@dataclass(frozen=True)
class HeadResult:
    """What became of a plan."""

    learner: nn.Module
    """The plan's, trained, or what has taken its place."""
    result: TrainResult
    settings: CellSettings
    """What was chosen, for the record."""
