"""Reliability diagrams: whether a probability means what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.uncertainty import reliability
from reports.gather import Entry, Gathered
from reports.language import Translate
from reports.wording import number

__all__ = ["MOST", "Bar", "calibration"]

MOST = 24
"""At most this many diagrams, of the most accurate models."""
_BINS = 10
_SIDE = 200


@dataclass(frozen=True)
class Bar:
    """One bin in the coordinates of a square of side 200, y downwards."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    low: float
    high: float
    opacity: float
    title: str


def calibration(gathered: Gathered, _: Translate) -> dict[str, Any] | None:
    """The diagram of one cell of each model, regime and precision; None where no predictions are stored."""
    first: dict[tuple[str, str, str], Entry] = {}
    for entry in gathered.leading:
        first.setdefault((entry.label, entry.regime, entry.precision), entry)
    items = [_item(entry, _) for entry in list(first.values())[:MOST] if entry.predictions is not None]
    return {"diagrams": items} if items else None


def _item(entry: Entry, _: Translate) -> dict[str, Any]:
    metrics = entry.result.metrics if entry.result else {}
    return {
        "entry": entry,
        "bars": _bars(entry, _),
        "ece": number(metrics.get("ece")),
        "brier": number(metrics.get("brier")),
        "log_loss": number(metrics.get("log_loss")),
    }


def _bars(entry: Entry, _: Translate) -> list[Bar]:
    found = entry.predictions
    if found is None:
        return []
    bins = reliability(found.labels, found.probabilities, _BINS)
    most = max(part.count for part in bins)
    text = _("confidence {low} to {high}: {n} images, {accuracy} % right")
    return [
        Bar(
            x=_round(part.low * _SIDE + 1),
            y=_round((1 - part.accuracy.estimate) * _SIDE),
            width=_round((part.high - part.low) * _SIDE - 2),
            height=_round(part.accuracy.estimate * _SIDE),
            middle=_round((part.low + part.high) / 2 * _SIDE),
            low=_round((1 - part.accuracy.low) * _SIDE),
            high=_round((1 - part.accuracy.high) * _SIDE),
            opacity=_round(0.35 + 0.65 * (part.count / most) ** 0.5),
            title=text.format(
                low=f"{part.low:.1f}",
                high=f"{part.high:.1f}",
                n=part.count,
                accuracy=f"{part.accuracy.estimate * 100:.0f}",
            ),
        )
        for part in bins
        if part.accuracy is not None
    ]


def _round(value: float) -> float:
    return round(value, 1)
