"""Accuracy against a cost, and the cells that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.inputs.columns import Cost
from reports.inputs.entry import Entry

__all__ = ["CostPoint", "cost_points", "front"]


@dataclass(frozen=True)
class CostPoint:
    """One cell with a score and a cost above 0."""

    entry: Entry
    cost: float
    accuracy: float


def cost_points(entries: Sequence[Entry], cost: Cost) -> list[CostPoint]:
    """The points of the entries that have both, in their order."""
    found = ((entry, cost.value(entry.result), entry.accuracy) for entry in entries if entry.result)
    return [CostPoint(entry, spent, score) for entry, spent, score in found if spent and score is not None]


def front(points: Sequence[CostPoint]) -> list[CostPoint]:
    """The points that no other beats, cheapest first: each is more accurate than all that cost as much or less."""
    kept: list[CostPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.accuracy)):
        if not kept or point.accuracy > kept[-1].accuracy:
            kept.append(point)
    return kept
