"""Scores of a classifier, from the true labels and its probabilities alone.

A score that is undefined for the data at hand is ``None``, never 0: the recall of a class without images,
kappa where only one class is there and only that one is said. Scores are computed over all images at once,
never averaged over batches.

This module is imported where the measuring happens, so it needs numpy and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import DataError

__all__ = [
    "STATISTICS",
    "ClassScores",
    "accuracy",
    "balanced_accuracy",
    "brier",
    "calibration_bins",
    "checked_labels",
    "checked_matrix",
    "checked_probabilities",
    "cohen_kappa",
    "confusion_matrix",
    "expected_calibration_error",
    "log_loss",
    "macro_f1",
    "per_class",
    "predicted_labels",
    "summary",
    "top_k_accuracy",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SUM_TOLERANCE = 1e-2  # a bfloat16 softmax over many classes is off by up to this much
_TINY = float(np.finfo(np.float64).eps)  # scikit-learn's floor for a probability under a logarithm
CALIBRATION_BINS = 15  # Guo et al. 2017


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one class, each a fraction of 1 or ``None`` where undefined."""

    precision: float | None
    """Correct among the images said to be of this class; ``None`` when none was."""
    recall: float | None
    """Correct among the images of this class; ``None`` when there is none."""
    f1: float | None
    """``2 tp / (2 tp + fp + fn)``; ``None`` when the class is neither there nor ever said."""
    support: int
    """Number of images of this class."""


# --------------------------------------------------------------------------------------------- checks


def _whole(array: NDArray[Any]) -> bool:
    return array.dtype.kind == "f" and bool(np.all(np.isfinite(array)) and np.all(array == np.floor(array)))


def checked_labels(labels: ArrayLike, num_classes: int, what: str = "labels") -> Ints:
    """Return ``labels`` as int64 of shape ``(n,)``; :class:`DataError` unless whole and in range."""
    if num_classes < 1:
        raise DataError(f"The number of classes is {num_classes}; at least 1 is needed.")
    array = np.asarray(labels)
    if array.ndim != 1 or array.size == 0:
        raise DataError(f"The {what} have the shape {array.shape}; give one class index for each image, at least one.")
    if array.dtype.kind not in "iu" and not _whole(array):
        raise DataError(f"The {what} must be class indices, whole numbers from 0 to {num_classes - 1}.")
    low, high = array.min(), array.max()
    if low < 0 or high >= num_classes:
        raise DataError(
            f"The {what} run from {low} to {high}; with {num_classes} classes, allowed are 0 to {num_classes - 1}."
        )
    return array.astype(np.int64)


def checked_probabilities(probabilities: ArrayLike, n: int | None = None) -> Floats:
    """Return ``probabilities`` as float64 of shape ``(n, classes)``.

    :class:`DataError` when the shape is wrong, a value is not finite or outside 0 to 1, or a row's sum is off.
    """
    array = np.asarray(probabilities)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "fiu":
        raise DataError(f"The probabilities have the shape {array.shape}; give one row an image, one column a class.")
    if n is not None and len(array) != n:
        raise DataError(f"There are {len(array)} rows of probabilities for {n} labels; one row an image is needed.")
    array = array.astype(np.float64)
    if not np.all(np.isfinite(array)):
        bad = int(np.count_nonzero(~np.isfinite(array).all(axis=1)))
        raise DataError(f"The probabilities of {bad} of {len(array)} images are not finite; the model has diverged.")
    if array.min() < 0 or array.max() > 1 + _SUM_TOLERANCE:
        raise DataError(
            f"The probabilities run from {array.min():g} to {array.max():g}; allowed is 0 to 1. Use softmax."
        )
    worst = float(np.abs(array.sum(axis=1) - 1).max())
    if worst > _SUM_TOLERANCE:
        raise DataError(f"A row of probabilities is {worst:g} away from a sum of 1. Use softmax on the model's output.")
    return array


def checked_matrix(cm: ArrayLike) -> Ints:
    """Return a confusion matrix as int64 ``(C, C)``; :class:`DataError` unless it is a square of counts."""
    array = np.asarray(cm)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.size == 0:
        raise DataError(f"A confusion matrix is square, with a row and a column for each class; this is {array.shape}.")
    if array.dtype.kind not in "iuf" or not np.all(np.isfinite(array)):
        raise DataError("A confusion matrix holds counts of images; this one holds something else.")
    if np.any(array < 0) or np.any(array != np.floor(array)):
        raise DataError("A confusion matrix holds counts of images: whole numbers from 0 up.")
    if array.sum() == 0:
        raise DataError("The confusion matrix is empty: there is not one image to score.")
    return array.astype(np.int64)


# --------------------------------------------------------------------- formulas on stacks of matrices


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide element by element, nan where ``bottom`` is 0."""
    return cast(Floats, np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom != 0))


def _mean_defined(values: Floats) -> Floats:
    """Mean over the last axis of what is not nan; nan where nothing is defined."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))


def _diagonal(cms: Floats) -> Floats:
    return cast(Floats, np.diagonal(cms, axis1=-2, axis2=-1))


def _accuracy(cms: Floats) -> Floats:
    return _ratio(_diagonal(cms).sum(axis=-1), cms.sum(axis=(-2, -1)))


def _recalls(cms: Floats) -> Floats:
    return _ratio(_diagonal(cms), cms.sum(axis=-1))


def _precisions(cms: Floats) -> Floats:
    return _ratio(_diagonal(cms), cms.sum(axis=-2))


def _f1s(cms: Floats) -> Floats:
    return _ratio(2 * _diagonal(cms), cms.sum(axis=-1) + cms.sum(axis=-2))


def _balanced_accuracy(cms: Floats) -> Floats:
    return _mean_defined(_recalls(cms))


def _macro_f1(cms: Floats) -> Floats:
    return _mean_defined(_f1s(cms))


def _cohen_kappa(cms: Floats) -> Floats:
    total = cms.sum(axis=(-2, -1))
    by_chance = (cms.sum(axis=-1) * cms.sum(axis=-2)).sum(axis=-1)
    return _ratio(total * _diagonal(cms).sum(axis=-1) - by_chance, total * total - by_chance)


STATISTICS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "accuracy": _accuracy,
        "balanced_accuracy": _balanced_accuracy,
        "kappa": _cohen_kappa,
        "macro_f1": _macro_f1,
    }
)
"""Name to formula over stacked confusion matrices ``(..., C, C)``, giving ``(...)``, nan where undefined."""


def _scalar(value: Any) -> float | None:
    number = float(value)
    return None if np.isnan(number) else number


def _score(name: str, cm: ArrayLike) -> float | None:
    return _scalar(STATISTICS[name](checked_matrix(cm).astype(np.float64)))


# ------------------------------------------------------------------------------- scores of one matrix


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, num_classes: int) -> Ints:
    """Count images by true class (row) and predicted class (column): int64 of shape ``(C, C)``."""
    true = checked_labels(labels, num_classes)
    said = checked_labels(predicted, num_classes, "predicted labels")
    if true.shape != said.shape:
        raise DataError(f"There are {said.size} predicted labels for {true.size} labels; one for each image is needed.")
    return np.bincount(true * num_classes + said, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(cm: ArrayLike) -> float:
    """Return the share of images on the diagonal."""
    matrix = checked_matrix(cm)
    return float(np.trace(matrix) / matrix.sum())


def balanced_accuracy(cm: ArrayLike) -> float:
    """Return the mean recall over the classes that have images, as scikit-learn does."""
    value = _score("balanced_accuracy", cm)
    assert value is not None  # a checked matrix holds an image, so one class has a recall
    return value


def cohen_kappa(cm: ArrayLike) -> float | None:
    """Return the agreement beyond chance, ``(po - pe) / (1 - pe)`` (Cohen 1960).

    ``None`` when chance alone agrees always: every image is of one class and every prediction names it.
    """
    return _score("kappa", cm)


def macro_f1(cm: ArrayLike) -> float:
    """Return the mean F1 over the classes that occur among labels or predictions (scikit-learn's default)."""
    value = _score("macro_f1", cm)
    assert value is not None  # a checked matrix holds an image, so one class occurs
    return value


def per_class(cm: ArrayLike) -> list[ClassScores]:
    """Return the scores of each class, in the order of the matrix."""
    matrix = checked_matrix(cm)
    floats = matrix.astype(np.float64)
    rows = zip(_precisions(floats), _recalls(floats), _f1s(floats), matrix.sum(axis=1), strict=True)
    return [ClassScores(_scalar(p), _scalar(r), _scalar(f), int(support)) for p, r, f, support in rows]


# ------------------------------------------------------------------------------ scores of probabilities


def _checked_pair(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    array = checked_probabilities(probabilities)
    true = checked_labels(labels, array.shape[1])
    return true, checked_probabilities(array, true.size)


def predicted_labels(probabilities: ArrayLike) -> Ints:
    """Return the most probable class of each row, the first of equals: int64 of shape ``(n,)``."""
    predicted: Ints = checked_probabilities(probabilities).argmax(axis=1).astype(np.int64)
    return predicted


def top_k_accuracy(labels: ArrayLike, probabilities: ArrayLike, k: int = 2) -> float:
    """Return the share of images whose true class is among the ``k`` most probable.

    Of equally probable classes the first goes first, so that ``k=1`` is exactly :func:`accuracy`.
    """
    true, array = _checked_pair(labels, probabilities)
    if not 1 <= k <= array.shape[1]:
        raise DataError(f"Top-{k} accuracy was asked for; with {array.shape[1]} classes k is 1 to {array.shape[1]}.")
    own = array[np.arange(true.size), true][:, None]
    earlier = np.arange(array.shape[1]) < true[:, None]
    rank = ((array > own) | ((array == own) & earlier)).sum(axis=1)
    return float((rank < k).mean())


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean of ``-ln p(true class)`` in nats; 0 counts as 2.2e-16, as in scikit-learn."""
    true, array = _checked_pair(labels, probabilities)
    return float(-np.log(np.clip(array[np.arange(true.size), true], _TINY, 1 - _TINY)).mean())


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared distance to the truth, summed over the classes (Brier 1950): 0 best, 2 worst.

    With two classes this is twice the figure that is common for binary problems.
    """
    true, array = _checked_pair(labels, probabilities)
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
    true, array = _checked_pair(labels, probabilities)
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


def summary(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float | None]:
    """Return every score of a set of predictions by name.

    ``labels``: ``(n,)`` class indices; ``probabilities``: ``(n, C)``, rows summing to 1. Keys: ``accuracy``,
    ``balanced_accuracy``, ``kappa``, ``macro_f1``, ``top2_accuracy`` (``None`` below three classes, where it
    says nothing), ``log_loss``, ``brier``, ``ece``. Raises :class:`DataError` on input that cannot be scored.
    """
    true, array = _checked_pair(labels, probabilities)
    cm = confusion_matrix(true, array.argmax(axis=1), array.shape[1])
    return {
        "accuracy": accuracy(cm),
        "balanced_accuracy": balanced_accuracy(cm),
        "kappa": cohen_kappa(cm),
        "macro_f1": macro_f1(cm),
        "top2_accuracy": top_k_accuracy(true, array, 2) if array.shape[1] > 2 else None,
        "log_loss": log_loss(true, array),
        "brier": brier(true, array),
        "ece": expected_calibration_error(true, array),
    }
