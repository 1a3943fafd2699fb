"""Metrics that need the probabilities of the classes, and not only which of them is highest."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bench.errors import DataError
from bench.stats.metrics.base import Metric
from bench.stats.metrics.checks import Floats, Ints, checked_pair, checked_probabilities

__all__ = [
    "BRIER",
    "CALIBRATION_BINS",
    "ECE",
    "LOG_LOSS",
    "TOP2_ACCURACY",
    "brier",
    "calibration_bins",
    "expected_calibration_error",
    "log_loss",
    "predicted_labels",
    "top_k_accuracy",
]

_TINY = float(np.finfo(np.float64).eps)  # scikit-learn's floor for a probability under a logarithm
CALIBRATION_BINS = 15
"""Of Guo et al. (2017)."""


def predicted_labels(probabilities: ArrayLike) -> Ints:
    """Return the most probable class of each row, the first of equals: int64 of shape ``(n,)``."""
    predicted: Ints = checked_probabilities(probabilities).argmax(axis=1).astype(np.int64)
    return predicted


def top_k_accuracy(labels: ArrayLike, probabilities: ArrayLike, k: int = 2) -> float:
    """Return the share of images whose true class is among the ``k`` most probable.

    Of equally probable classes the first goes first, so that ``k=1`` is exactly :func:`accuracy`.
    """
    true, array = checked_pair(labels, probabilities)
    if not 1 <= k <= array.shape[1]:
        raise DataError(f"Top-{k} accuracy was asked for; with {array.shape[1]} classes k is 1 to {array.shape[1]}.")
    own = array[np.arange(true.size), true][:, None]
    earlier = np.arange(array.shape[1]) < true[:, None]
    rank = ((array > own) | ((array == own) & earlier)).sum(axis=1)
    return float((rank < k).mean())


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean of ``-ln p(true class)`` in nats; 0 counts as 2.2e-16, as in scikit-learn."""
    true, array = checked_pair(labels, probabilities)
    return float(-np.log(np.clip(array[np.arange(true.size), true], _TINY, 1 - _TINY)).mean())


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared distance to the truth, summed over the classes (Brier 1950): 0 best, 2 worst.

    With two classes this is twice the figure that is common for binary problems.
    """
    true, array = checked_pair(labels, probabilities)
    truth = np.zeros_like(array)
    truth[np.arange(true.size), true] = 1
    return float(((array - truth) ** 2).sum(axis=1).mean())


def calibration_bins(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = CALIBRATION_BINS
) -> tuple[Ints, Floats, Ints]:
    """Sort images by the probability of their predicted class into ``bins`` equal steps ``(low, high]``.

    Returns three arrays ``(bins,)``: the number of images, the sum of their probabilities (confidences), and
    the number of images predicted right.
    """
    if bins < 1:
        raise DataError(f"Calibration in {bins} bins was asked for; at least 1 is needed.")
    true, array = checked_pair(labels, probabilities)
    confidence = np.minimum(array.max(axis=1), 1.0)
    correct = array.argmax(axis=1) == true
    index = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence)
    count = np.bincount(index, minlength=bins).astype(np.int64)
    right = np.bincount(index[correct], minlength=bins).astype(np.int64)
    return count, np.bincount(index, weights=confidence, minlength=bins).astype(np.float64), right


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Return the mean gap between confidence and accuracy over equal bins (ECE; Guo et al. 2017, eq. 3)."""
    count, confidence, correct = calibration_bins(labels, probabilities, bins)
    return float(np.abs(correct - confidence).sum() / count.sum())


def _top2_accuracy(labels: Ints, probabilities: Floats) -> float | None:
    return top_k_accuracy(labels, probabilities, 2) if probabilities.shape[1] > 2 else None


TOP2_ACCURACY = Metric(
    title="Top-2 accuracy",
    help="Share of test images whose class is among the two most probable; below three classes it says nothing.",
    of_probabilities=_top2_accuracy,
    column="none",
)
LOG_LOSS = Metric(
    title="Log loss",
    help="Mean of -ln of the probability of the true class, in nats: 0 is best.",
    of_probabilities=log_loss,
    smooth=True,
    higher_is_better=False,
    format="number",
    column="none",
)
BRIER = Metric(
    title="Brier score",
    help="Mean squared distance of the probabilities to the truth, summed over the classes: 0 is best, 2 worst.",
    of_probabilities=brier,
    smooth=True,
    higher_is_better=False,
    format="number",
    column="none",
)
ECE = Metric(
    title="ECE",
    help="Expected calibration error: mean gap between confidence and accuracy over 15 equal bins, 0 is best.",
    of_probabilities=expected_calibration_error,
    higher_is_better=False,
    format="number",
    column="none",
)
