"""What the parent tells a child, and how a child makes sure that it does not outlive its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench.study.measure import MeasureSpec
from bench.study.schema import Cell

__all__ = ["Job", "die_with_parent"]

_PR_SET_PDEATHSIG = 1


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
    parent: int
    """The parent's process id."""
    started: float
    """The parent's `time.monotonic` at the start of the child; Linux counts it from boot for all processes."""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even by kill -9 (Linux); elsewhere nothing is done."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call above
        sys.exit(1)
