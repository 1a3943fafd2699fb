"""What the tests say: intervals of every cell, and all pairs of models on the same test images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.stats.confidence import Interval, intervals
from bench.stats.letters import Groups, groups
from bench.stats.paired_tests import CochranQ, Comparison, cochran_q, compare_all
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData

__all__ = ["ALPHA", "TESTED", "Significance", "compute_significance", "paired"]

ALPHA = 0.05
TESTED = 60
"""At most this many configurations are compared pair by pair."""


@dataclass(frozen=True)
class Significance:
    """Intervals and paired tests; entries are named by their ``key``."""

    intervals: dict[str, dict[str, Interval | None]]
    """For each cell with scores: the metrics that a confusion matrix gives."""
    tested: tuple[Entry, ...]
    """One cell for each model, regime and precision: the first seed on the first device that has scores."""
    left_out: int
    """Configurations that were not compared, because there are more than `TESTED` or no predictions are stored."""
    comparisons: tuple[Comparison, ...]
    groups: Groups
    cochran: CochranQ | None

    @cached_property
    def by_key(self) -> dict[str, Entry]:
        """The tested entries by their key."""
        return {entry.key: entry for entry in self.tested}

    @cached_property
    def _pairs(self) -> dict[frozenset[str], Comparison]:
        return {frozenset((c.a, c.b)): c for c in self.comparisons}

    def pair(self, a: Entry, b: Entry) -> tuple[Comparison, float] | None:
        """The comparison of two tested entries, and the sign that turns its difference into ``a`` minus ``b``."""
        found = self._pairs.get(frozenset((a.key, b.key)))
        return (found, 1.0 if found.a == a.key else -1.0) if found else None

    def interval(self, entry: Entry, statistic: str = "accuracy") -> Interval | None:
        """The interval of one cell's score."""
        return self.intervals.get(entry.key, {}).get(statistic)

    def letters(self, entry: Entry) -> str:
        """The groups that the entry belongs to; entries that share a letter do not differ significantly."""
        return (self.groups.letters or {}).get(entry.key, "")


def compute_significance(data: ReportData) -> Significance:
    """Compute the intervals and the paired tests of a report."""
    found = {e.key: intervals(e.result.confusion) for e in data.ok if e.result and e.result.confusion}
    first: dict[tuple[str, str, str], Entry] = {}
    by_seed = sorted(data.entries, key=lambda e: e.seed)
    for entry in by_seed:
        if entry.is_ok:
            first.setdefault((entry.label, entry.regime, entry.precision), entry)
    candidates = [entry for entry in data.ok if entry is first[(entry.label, entry.regime, entry.precision)]]
    labels, predicted = paired(candidates[:TESTED])
    tested = tuple(entry for entry in candidates if entry.key in predicted)
    comparisons = compare_all(labels, predicted) if len(predicted) > 1 else []
    return Significance(
        intervals=found,
        tested=tested,
        left_out=len(candidates) - len(tested),
        comparisons=tuple(comparisons),
        groups=groups(comparisons, ALPHA),
        cochran=cochran_q(labels, predicted) if len(predicted) > 1 else None,
    )


def paired(entries: list[Entry]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """True labels, and what each entry predicted for the same images in the same order; others are left out."""
    names: list[str] = []
    labels = np.empty(0, dtype=np.int64)
    predicted: dict[str, np.ndarray] = {}
    for entry in entries:
        found = entry.predictions
        if found is None:
            continue
        if not predicted:
            names, labels = found.images, found.labels
        where = {name: row for row, name in enumerate(found.images)}
        if len(where) != len(names) or any(name not in where for name in names):
            continue
        order = [where[name] for name in names]
        if np.array_equal(found.labels[order], labels):
            predicted[entry.key] = found.predicted[order]
    return labels, predicted
