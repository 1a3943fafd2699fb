"""Whether the scores that a cell stores are those of its predictions: computed anew wherever a result is read."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.results.read import damaged
from bench.results.schema import CellResult

if TYPE_CHECKING:
    import numpy as np

    from bench.results.predictions import Predictions
    from bench.stats.metrics import Metric

__all__ = ["check_scores"]

_ROUNDING = 1e-6
"""Of a score that a confusion matrix gives."""
_ROUNDING_OF_PROBABILITIES = 1e-4
"""Of one that probabilities give: they are stored as float32, and older versions scored them before they were."""
_TIE = 3e-7
"""Probabilities this close, as a share of them, may have been told apart before they were stored."""
_AGAIN = (
    "It was changed after it was stored, or the predictions beside it were, so no figure of it can be trusted. Delete "
    "that folder and run the study again."
)


def check_scores(result: CellResult, predictions: Predictions | None, path: Path) -> None:
    """Hold a result's confusion matrix against its predictions, and each score against what they give.

    path: the result's, for the message. Raises `RunError` that names the cell, the score and both values. What cannot
    be computed anew is taken as it stands: without predictions, and the metrics of installed packages, which another
    release may define otherwise.
    """
    if not result.metrics and not result.confusion:
        return
    from bench.stats.metrics import METRICS

    known = {name: METRICS.load(name) for name in METRICS.entries if name in result.metrics}
    scored = _Scored(predictions) if predictions is not None and predictions.images else None
    for name, metric in known.items():
        stored = result.metrics[name]
        found, allowed, source = _computed(metric, stored, result, scored)
        if source and not _agree(stored, found, allowed):
            shown = ["nothing" if value is None else f"{value:.6g}" for value in (stored, found)]
            raise damaged(path, f"{result.cell.title}: {name} {shown[0]} is stored, {source} {shown[1]}", _AGAIN)
    if scored is not None and result.confusion and not scored.counted_as(result.confusion):
        raise damaged(path, f"{result.cell.title}: confusion is not what its predictions give", _AGAIN)


def _computed(
    metric: Metric, stored: float | None, result: CellResult, scored: _Scored | None
) -> tuple[float | None, float, str]:
    """A score computed anew, how far rounding may take it from the stored one, and from what it comes, if anything."""
    import numpy as np

    if metric.of_matrices is not None and result.confusion:
        with np.errstate(all="ignore"):
            found = float(metric.of_matrices(np.array(result.confusion, dtype=np.float64)))
        return None if math.isnan(found) else found, _ROUNDING, "its confusion matrix gives"
    if scored is None:
        return None, 0.0, ""
    if metric.of_matrices is not None:
        return scored.score(metric), _ROUNDING, "its predictions give"
    rounding = _ROUNDING_OF_PROBABILITIES * max(1.0, abs(stored or 0))
    return scored.score(metric), rounding + (0 if metric.smooth else scored.unsure), "its predictions give"


def _agree(stored: float | None, found: float | None, allowed: float) -> bool:
    if stored is None or found is None:
        return stored is found
    return abs(stored - found) <= allowed


class _Scored:
    """Predictions with what is counted of them once for all metrics."""

    def __init__(self, predictions: Predictions) -> None:
        import numpy as np

        from bench.stats.metrics import confusion_matrix

        self.labels = predictions.labels
        self.probabilities = predictions.probabilities.astype(np.float64)
        self.predicted = predictions.predicted
        self.matrix = confusion_matrix(self.labels, self.predicted, self.probabilities.shape[1])

    def score(self, metric: Metric) -> float | None:
        return metric.score(self.labels, self.probabilities, self.matrix)

    def counted_as(self, confusion: tuple[tuple[int, ...], ...]) -> bool:
        """Whether this is the confusion matrix, but for images whose most probable classes tie."""
        import numpy as np

        stored = np.array(confusion, dtype=np.int64)
        if np.array_equal(stored, self.matrix):
            return True
        if stored.shape != self.matrix.shape or not np.array_equal(stored.sum(axis=1), self.matrix.sum(axis=1)):
            return False
        highest = self._near(self.probabilities.max(axis=1))
        tied = highest.sum(axis=1) > 1
        least, most = self.matrix.copy(), np.zeros_like(self.matrix)
        np.subtract.at(least, (self.labels[tied], self.predicted[tied]), 1)
        np.add.at(most, self.labels, highest)
        return bool(np.all(least <= stored) and np.all(stored <= most))

    @cached_property
    def unsure(self) -> float:
        """What images that rounding may have put elsewhere, into another rank or bin, can change of a mean over all."""
        import numpy as np

        from bench.stats.metrics.probabilities import CALIBRATION_BINS

        highest = self.probabilities.max(axis=1)
        true = self.probabilities[np.arange(len(highest)), self.labels]
        bins = highest * CALIBRATION_BINS
        on_edge = (abs(bins - bins.round()) <= CALIBRATION_BINS * _TIE) & (bins < CALIBRATION_BINS - 0.5)
        tied = [int((self._near(own).sum(axis=1) > 1).sum()) for own in (highest, true)]
        return 2 * (sum(tied) + int(on_edge.sum())) / len(highest)

    def _near(self, own: np.ndarray) -> np.ndarray:
        """Which classes, (n, classes), are as probable as those whose probabilities are ``own``, (n,)."""
        apart: np.ndarray = abs(self.probabilities - own[:, None])
        near: np.ndarray = apart <= _TIE * own[:, None]
        return near
