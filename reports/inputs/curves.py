"""Scores by epoch of a configuration, over its seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from bench.results.history import EpochRecord, PassScores
from bench.stats.metrics import METRICS
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.text.i18n import N_

__all__ = ["SPLITS", "CurvePoint", "CurveSplit", "curve", "curve_scores", "seeds_of"]

CurveSplit = Literal["validation", "train"]
SPLITS: tuple[CurveSplit, ...] = ("validation", "train")


@dataclass(frozen=True)
class CurvePoint:
    """A score after one epoch."""

    epoch: int
    mean: float
    low: float
    high: float
    """Of the seeds the lowest and the highest."""
    seeds: int
    """How many seeds finished the epoch with a finite score."""


def curve_scores() -> dict[str, str]:
    """The scores that every epoch has, with their English titles."""
    titles = {name: METRICS.load(name).title for name in PassScores.model_fields if name in METRICS.names()}
    return {**titles, "loss": N_("Loss")}


def seeds_of(entry: Entry, data: ReportData) -> list[Entry]:
    """The cells with scores that differ from an entry in nothing but the seed, itself included."""
    same = (other for other in data.ok if other.configuration == entry.configuration)
    return [other for other in same if other.run_name == entry.run_name]


def curve(entries: Sequence[Entry], split: CurveSplit, score: str) -> list[CurvePoint]:
    """A score by epoch over the entries; epochs in which none of them has a finite value are left out."""
    found: dict[int, list[float]] = {}
    for entry in entries:
        for line in entry.history:
            value = _value(line, split, score)
            if value is not None and math.isfinite(value):
                found.setdefault(line.epoch, []).append(value)
    return [
        CurvePoint(epoch, fmean(values), min(values), max(values), len(values))
        for epoch, values in sorted(found.items())
    ]


def _value(line: EpochRecord, split: CurveSplit, score: str) -> float | None:
    scores: PassScores | None = getattr(line, split)
    value: float | None = getattr(scores, score, None)
    return value
