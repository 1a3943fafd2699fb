"""Cost of reaching an accuracy: epochs, time, money and energy of training, from the history of each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.results.time_to_accuracy import TimeToAccuracy, reach, validated
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.text.formatting import Value, duration, percent, plain
from reports.text.i18n import N_, Translator

__all__ = ["LEVELS", "reaching"]

LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999)
"""The accuracies that are asked for."""

_NO_PRICE = N_("the study names no price for this device")


@dataclass(frozen=True)
class ReachedRow:
    """When one configuration's first seed reached one accuracy on validation."""

    title: str
    level: Value
    epoch: Value
    time: Value
    cost: Value
    energy: Value


def reaching(data: ReportData, _: Translator) -> dict[str, Any] | None:
    """The rows, the highest accuracy first and the quickest first within it; None where no history reaches any."""
    trained = [entry for entry in data.leading if entry.result and entry.history]
    rows = []
    for level in _levels(trained):
        found = [
            _row(data.title(entry), level, reach(entry.result, entry.history, level), _)
            for entry in trained
            if entry.result
        ]
        rows += sorted(found, key=lambda row: (row.time.is_missing, row.time.raw or 0.0))
    if not rows:
        return None
    has = {f"has_{name}": any(not getattr(row, name).is_missing for row in rows) for name in ("cost", "energy")}
    return {"rows": rows, **has}


def _levels(trained: Sequence[Entry]) -> list[float]:
    """The highest of `LEVELS` that one configuration reached, that half of them did, and that all did."""
    bests = sorted(
        (max((score for line in e.history if (score := validated(line)) is not None), default=0.0) for e in trained),
        reverse=True,
    )
    marks = (bests[0], bests[(len(bests) - 1) // 2], bests[-1]) if bests else ()
    highest = (max((level for level in LEVELS if level <= mark), default=None) for mark in marks)
    return sorted({level for level in highest if level is not None}, reverse=True)


def _row(title: str, level: float, at: TimeToAccuracy | None, _: Translator) -> ReachedRow:
    why = _("not reached")
    epoch, seconds, cost, joules = (at.epoch, at.seconds, at.cost_usd, at.joules) if at else (None,) * 4
    return ReachedRow(
        title=title,
        level=percent(level, digits=1),
        epoch=plain(epoch, why),
        time=duration(seconds, why),
        cost=plain(cost, _NO_PRICE if at else why),
        energy=plain(joules, N_("not measured") if at else why, "J"),
    )
