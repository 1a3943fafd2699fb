"""How far a cell is, for the display, and all that is known should it be killed next."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.execution.messages.progress import FinishedEpoch, Progress
from bench.execution.worker.record import Record
from bench.results.history import EpochRecord
from bench.results.through import write_file

if TYPE_CHECKING:  # the threads have to be set before torch is imported
    from bench.training.loop import Epoch

__all__ = ["ProgressWriter", "Reporter", "publish_to"]

_PUBLISHED_EVERY = 0.5


class Reporter(Protocol):
    """Where a cell reports how far it is."""

    def epoch(self, record: Epoch) -> None:
        """An epoch has ended."""

    def step(self, epoch: int, done: int, count: int, loss: float) -> None:
        """A step of an epoch has ended."""

    def phase(self, name: str) -> None:
        """A phase begins."""


class ProgressWriter:
    """Writes an epoch's line to the history, and publishes at most twice a second where the training stands."""

    def __init__(
        self,
        folder: Path,
        epochs: int,
        record: Record,
        *,
        publish: Callable[[Progress], None],
        enter: Callable[[str], None],
    ) -> None:
        """folder: the cell's. publish: called with each state. enter: called with the phase before it is published."""
        self._history = (folder / "history.jsonl").open("w", encoding="utf-8")
        self._record = record
        self._publish = publish
        self._enter = enter
        self._epochs = epochs
        self._last = 0.0
        self._training_since: float | None = None
        self._finished: FinishedEpoch | None = None

    def epoch(self, record: Epoch) -> None:
        """Append a finished epoch."""
        self._history.write(EpochRecord.model_validate(record.to_dict()).model_dump_json() + "\n")
        self._history.flush()
        loss = _finite(record.train.loss)
        self._finished = FinishedEpoch(
            epoch=record.epoch,
            loss=loss,
            images_per_second=record.images_per_second,
            validation_accuracy=record.validation.accuracy,
        )
        self._state("train", record.epoch, loss)

    def step(self, epoch: int, done: int, count: int, loss: float) -> None:
        """Publish where an epoch stands."""
        now = time.perf_counter()
        if done == count or now - self._last < _PUBLISHED_EVERY:
            return
        self._state("train", epoch - 1 + done / count, _finite(loss))

    def phase(self, name: str) -> None:
        """Publish that a phase begins."""
        self._state(name, 0.0 if name == "train" else None, None)

    def close(self) -> None:
        self._history.close()

    def _state(self, phase: str, epoch: float | None, loss: float | None) -> None:
        self._enter(phase)
        self._last = time.perf_counter()
        if phase == "train" and self._training_since is None:
            self._training_since = self._last
        self._publish(
            Progress(
                phase=phase,
                epochs=self._epochs,
                epoch=epoch,
                loss=loss,
                training_seconds=None if self._training_since is None else self._last - self._training_since,
                finished=self._finished,
                so_far=self._record.so_far,
            )
        )


def publish_to(path: Path) -> Callable[[Progress], None]:
    """Return a function that replaces the file with each state."""
    return lambda progress: write_file(path, progress.model_dump_json(exclude_defaults=True), durable=False)


def _finite(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None
