"""Whether a model's probabilities can be believed: reliability diagram, and temperature scaling.

The scores themselves (ECE, Brier, log loss) are in :mod:`bench.stats.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.errors import DataError
from bench.stats.confidence import Interval, wilson
from bench.stats.metrics.checks import Floats, checked_labels, checked_probabilities
from bench.stats.metrics.probabilities import CALIBRATION_BINS, calibration_bins

__all__ = ["ReliabilityBin", "Temperature", "apply_temperature", "fit_temperature", "reliability"]

_COLDEST, _HOTTEST = 0.05, 20.0
_FLAT = 1e-12
_FLOOR = float(np.finfo(np.float32).tiny)  # a softmax in single precision underflows to 0 below this


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The images whose predicted class had a probability in ``(low, high]``."""

    low: float
    high: float
    count: int
    confidence: float | None
    """Mean probability of the predicted class; ``None`` in an empty bin."""
    accuracy: Interval | None
    """Share predicted right, with Wilson's interval; ``None`` in an empty bin."""


@dataclass(frozen=True, slots=True)
class Temperature:
    """A fitted temperature: above 1 the model was overconfident, below 1 underconfident."""

    value: float
    at_limit: bool
    """Whether the fit ran into the end of the search, 0.05 or 20, as it does when no validation image is wrong."""


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = CALIBRATION_BINS, level: float = 0.95
) -> list[ReliabilityBin]:
    """Return the reliability diagram (DeGroot and Fienberg 1983): accuracy against confidence in equal-width bins.

    ``labels``: ``(n,)``; ``probabilities``: ``(n, C)``. Empty bins are kept, so that there are always ``bins``.
    """
    count, confidence, right = calibration_bins(labels, probabilities, bins)
    edges = np.linspace(0, 1, bins + 1).tolist()
    return [
        ReliabilityBin(low, high, n, total / n if n else None, wilson(correct, n, level))
        for low, high, n, total, correct in zip(
            edges, edges[1:], count.tolist(), confidence.tolist(), right.tolist(), strict=False
        )
    ]


def _log_probabilities(probabilities: Floats) -> Floats:
    logs: Floats = np.log(np.maximum(probabilities, _FLOOR))
    return logs


def _softened(logs: Floats, temperature: float) -> Floats:
    scaled = logs / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    softened: Floats = weights / weights.sum(axis=1, keepdims=True)
    return softened


def apply_temperature(probabilities: ArrayLike, temperature: float) -> Floats:
    """Return probabilities ``(n, C)`` at another temperature: softmax of the logits divided by it.

    Works from probabilities, since their logarithms are the logits up to a constant for each image. The predicted
    class stays the same.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise DataError(f"The temperature is {temperature}; it must be a finite number above 0.")
    return _softened(_log_probabilities(checked_probabilities(probabilities)), temperature)


def fit_temperature(labels: ArrayLike, probabilities: ArrayLike) -> Temperature:
    """Fit the one temperature that minimizes log loss (Guo et al. 2017, section 4.2).

    Fit on **validation** images and apply to test images: fitted on the test set it would flatter the model. The
    loss is convex in ``1 / T``, so its slope is bisected to 50 halvings between T = 0.05 and T = 20.
    """
    array = checked_probabilities(probabilities)
    true = checked_labels(labels, array.shape[1])
    checked_probabilities(array, true.size)
    logs = _log_probabilities(array)
    own = logs[np.arange(true.size), true]

    def slope(inverse: float) -> float:
        return float((_softened(logs, 1 / inverse) * logs).sum(axis=1).mean() - own.mean())

    inverse, at_limit = _zero_of(slope, 1 / _HOTTEST, 1 / _COLDEST)
    return Temperature(1 / inverse, at_limit)


def _zero_of(slope: Callable[[float], float], low: float, high: float) -> tuple[float, bool]:
    """Bisect a rising function; give the nearer end and ``True`` when it is on one side of 0 throughout."""
    least, most = slope(low), slope(high)
    if most - least < _FLAT:
        return 1.0, False  # every class equally probable in every image: no temperature changes anything
    if least >= 0:
        return low, True
    if most <= 0:
        return high, True
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return (low + high) / 2, False
