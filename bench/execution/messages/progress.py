"""How far a cell is: what its process reports while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from bench.execution.messages.outcome import Outcome, SoFar
from bench.measure.memory import START
from bench.results.files import read_regular
from bench.results.read import LARGEST_TEXT
from bench.results.schema import Status
from bench.results.stored import Stored

__all__ = ["FinishedEpoch", "Progress", "ProgressFile"]


class FinishedEpoch(Stored):
    """The last finished epoch."""

    epoch: int
    """Its number, from 1."""
    loss: float | None = None
    """Mean training loss; None where it was not finite."""
    images_per_second: float = 0.0
    """Training images per second."""
    validation_accuracy: float = 0.0
    """Share of the validation images (0 to 1) that were classified correctly."""


class Progress(Stored):
    """progress.json: for the display, and all that is known of the cell should it be killed next."""

    phase: str = START
    """What the cell is doing."""
    epochs: int = 0
    """Epochs that the study asks for."""
    epoch: float | None = None
    """Epochs done, with the fraction of the one under way; None before the training."""
    loss: float | None = None
    """Training loss of the last step that was read; None where none was, or it was not finite."""
    training_seconds: float | None = None
    """Seconds since the training began; None before it."""
    finished: FinishedEpoch | None = None
    """The last finished epoch; None before the first."""
    so_far: SoFar = SoFar()
    """What is known of the cell."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of training, from the pace so far; None before there is one."""
        if not self.epoch or not self.epochs or not self.training_seconds:
            return None
        return self.training_seconds / self.epoch * (self.epochs - self.epoch)


@dataclass
class ProgressFile:
    """A cell's progress.json as its parent sees it, read again only when it has changed."""

    path: Path
    last: Progress = field(default_factory=Progress)
    """The last that could be read; the defaults before there is anything."""
    _stamp: tuple[int, int, int] = (0, 0, 0)

    def read(self) -> Progress:
        """Look at the file and return `last`."""
        try:
            state = self.path.stat()
            stamp = (state.st_mtime_ns, state.st_ino, state.st_size)
            if stamp != self._stamp:
                self.last = Progress.model_validate_json(read_regular(self.path, LARGEST_TEXT))
                self._stamp = stamp
        except (OSError, ValidationError):  # not there yet, gone, or cut short
            return self.last
        return self.last

    def so_far(self, status: Status) -> Outcome:
        """What a cell that left no usable outcome had reported of itself; at worst the status alone."""
        known = self.read().so_far
        return Outcome(status=status, **{name: getattr(known, name) for name in SoFar.model_fields})
