"""How far a cell is, for the display, and all that is known should it be killed next."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.execution.messages.outcome import KEPT_OF_KILLED
from bench.measure.memory import PhaseMarks
from bench.results.files import write_atomic

if TYPE_CHECKING:  # the threads have to be set before torch is imported
    from bench.training.loop import Epoch

__all__ = ["ProgressWriter", "Reporter"]


class Reporter(Protocol):
    """Where a cell tells how far it is."""

    def epoch(self, record: Epoch) -> None:
        """An epoch has ended."""

    def step(self, epoch: int, done: int, count: int, loss: float) -> None:
        """A step of an epoch has ended."""

    def phase(self, name: str, **facts: float) -> None:
        """A phase begins."""


class ProgressWriter:
    """Writes an epoch's line to the history, and at most twice a second where the training stands."""

    def __init__(self, folder: Path, epochs: int, marks: PhaseMarks, outcome: dict[str, Any]) -> None:
        self._history = (folder / "history.jsonl").open("w", encoding="utf-8")
        self._progress = folder / "progress.json"
        self._epochs = epochs
        self._marks = marks
        self._outcome = outcome
        self._last = 0.0
        self._training_since: float | None = None
        self._finished: dict[str, float] = {}

    def epoch(self, record: Any) -> None:
        """Append a finished epoch."""
        self._history.write(json.dumps(record.to_dict(), allow_nan=True) + "\n")
        self._history.flush()
        self._finished = {
            "finished": record.epoch,
            "finished_loss": record.train.loss,
            "images_per_second": record.images_per_second,
            "validation_accuracy": record.validation.accuracy,
        }
        self.phase("train", epoch=record.epoch, loss=record.train.loss)

    def step(self, epoch: int, done: int, count: int, loss: float) -> None:
        """Tell where an epoch stands."""
        now = time.perf_counter()
        if done == count or now - self._last < 0.5:
            return
        self.phase("train", epoch=epoch - 1 + done / count, loss=loss)

    def phase(self, name: str, **facts: float) -> None:
        """Replace progress.json: for the display, and all that is known of the cell should it be killed next."""
        self._marks.enter(name)
        self._last = time.perf_counter()
        if name == "train" and self._training_since is None:
            self._training_since = self._last
        spent = None if self._training_since is None else self._last - self._training_since
        state: dict[str, Any] = {
            "phase": name,
            "epochs": self._epochs,
            "training_seconds": spent,
            **self._finished,
            **facts,
        }
        state["so_far"] = {key: self._outcome.get(key, {}) for key in KEPT_OF_KILLED}
        write_atomic(self._progress, json.dumps(state), durable=False)
