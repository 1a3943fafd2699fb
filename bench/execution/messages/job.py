"""The work order of one cell; it knows no host: any process that sees the files can do it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench.study.measure import MeasureSpec
from bench.study.schema import Cell

__all__ = ["Job"]


class Job(BaseModel):
    """One cell's work order, as JSON in the cell's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    folder: Path
    """The cell's folder in the run."""
    dataset: Path
    """The run's dataset.json."""
    pixels: Path
    """The pixel cache's file for this cell's image size; row i is the image names[i] of dataset.json."""
    weights: str
    """``none``, ``default``, ``hub:...`` or the absolute path of a file."""
    measure: MeasureSpec = MeasureSpec()
    """What is measured beside training."""
    keep_model: bool = False
    """Whether the tested weights are kept in the folder."""
    round: int = 0
    """Which round of the inference profile this is; after the first nothing else is done."""
