"""What training took until a validation accuracy was first reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.results.history import EpochRecord
from bench.results.schema import CellResult

__all__ = ["TimeToAccuracy", "reach", "validated"]


@dataclass(frozen=True)
class TimeToAccuracy:
    """What training took until a validation accuracy was first reached."""

    epoch: int
    seconds: float
    """Training and validation up to the end of that epoch, and what came before the first (a features' pass)."""
    cost_usd: float | None
    """Those seconds at the study's price; None without one."""
    joules: float | None
    """The training's measured energy in the share of those seconds, as if its power had been even; None unmeasured."""


def reach(result: CellResult, history: Sequence[EpochRecord], accuracy: float) -> TimeToAccuracy | None:
    """Return when the cell's validation accuracy was first at least ``accuracy``; None when it never was.

    history: the cell's epochs, as `Run.history` returns them; one that was not validated takes its time and reaches
    nothing. accuracy: a fraction.
    """
    spent = [(line.train_seconds or 0.0) + (line.validation_seconds or 0.0) for line in history]
    whole = result.timings.train_seconds
    before = max(0.0, whole - sum(spent)) if whole is not None else 0.0
    for index, line in enumerate(history):
        score = validated(line)
        if score is not None and score >= accuracy:
            seconds = before + sum(spent[: index + 1])
            price, energy = result.price_per_hour, result.energy.by_phase.get("train")
            return TimeToAccuracy(
                epoch=line.epoch,
                seconds=seconds,
                cost_usd=None if price is None else seconds / 3600 * price,
                joules=None if energy is None or not whole else energy * min(1.0, seconds / whole),
            )
    return None


def validated(line: EpochRecord) -> float | None:
    """The validation accuracy of an epoch, a fraction; None where it was not validated."""
    return None if line.validation is None else line.validation.accuracy
