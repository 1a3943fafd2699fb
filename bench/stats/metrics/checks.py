"""What labels, probabilities and confusion matrices must be before they are scored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import DataError

__all__ = ["Floats", "Ints", "checked_labels", "checked_matrix", "checked_pair", "checked_probabilities"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROWS = "There are {rows} rows of probabilities for {labels} labels; one row an image is needed."
_SUM_TOLERANCE = 1e-2  # a bfloat16 softmax over many classes is off by up to this much


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
        raise DataError(_ROWS.format(rows=len(array), labels=n))
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


def checked_pair(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    """Return labels ``(n,)`` and probabilities ``(n, C)``; :class:`DataError` unless they can be scored together."""
    array = checked_probabilities(probabilities)
    true = checked_labels(labels, array.shape[1])
    if len(array) != true.size:
        raise DataError(_ROWS.format(rows=len(array), labels=true.size))
    return true, array
