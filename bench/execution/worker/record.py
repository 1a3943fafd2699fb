"""The outcome of a cell as far as it is known: each stage hands in what it has found, here it is put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bench.execution.messages.outcome import Outcome, SoFar
from bench.results.notice import Notice
from bench.results.schema import Failure, InferenceProfile, Memory, ModelFacts, Status, Timings
from bench.results.settings import CellContext, CellSettings
from bench.results.stored import Stored

__all__ = ["Later", "Record"]

Part = TypeVar("Part", bound=Stored)


Later = Callable[[Callable[[], None]], None]
"""Measures what comes after the result; it is given a function that stores what is known so far."""


class Record:
    """Holds the outcome; what a stage adds joins what the stages before it have added."""

    def __init__(self) -> None:
        self.outcome = Outcome(status=Status.OK)

    def add(self, part: Timings | Memory | ModelFacts | CellContext | CellSettings) -> None:
        """Note the fields that are set in a part; its other fields stay as they are known."""
        known = self.outcome
        self.outcome = known.model_copy(
            update={
                "timings": _joined(known.timings, part),
                "memory": _joined(known.memory, part),
                "model": _joined(known.model, part),
                "context": _joined(known.context, part),
                "settings": _joined(known.settings, part),
            }
        )

    def notify(self, notice: Notice) -> None:
        """Note what a reader has to know of the cell."""
        self.add(CellContext(notices=(*self.outcome.context.notices, notice)))

    def trained(self, best_epoch: int, epochs: int) -> None:
        """Note the epoch whose weights are tested, and how many there were."""
        self.outcome = self.outcome.model_copy(update={"best_epoch": best_epoch, "epochs": epochs})

    def tested(self, metrics: dict[str, float | None], confusion: tuple[tuple[int, ...], ...]) -> None:
        """Note the scores on the test images."""
        self.outcome = self.outcome.model_copy(update={"metrics": metrics, "confusion": confusion})

    def profiled(self, profiles: tuple[InferenceProfile, ...]) -> None:
        """Note the inference profiles as far as they are measured."""
        self.outcome = self.outcome.model_copy(update={"profiles": profiles})

    def failed(self, status: Status, error: Failure) -> None:
        """Note that the cell has ended otherwise than ok."""
        self.outcome = self.outcome.model_copy(update={"status": status, "error": error})

    def ended(self, seconds: float) -> None:
        """Note when the result was whole, in seconds since the start; only the first time counts."""
        if self.outcome.ended_after is None:
            self.outcome = self.outcome.model_copy(update={"ended_after": seconds})

    @property
    def so_far(self) -> SoFar:
        """What is kept of the cell should it be killed next."""
        return SoFar(**{name: getattr(self.outcome, name) for name in SoFar.model_fields})


def _joined(known: Part, part: Stored) -> Part:
    """What is known, with the fields that a part of the same kind sets."""
    if not isinstance(part, type(known)):
        return known
    return known.model_copy(update={name: getattr(part, name) for name in part.model_fields_set})
