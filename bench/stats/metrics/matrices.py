"""Metrics that a confusion matrix gives, each also as a formula over a stack of matrices for the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from bench.errors import DataError
from bench.stats.metrics.base import Formula, Metric
from bench.stats.metrics.checks import Floats, Ints, checked_labels, checked_matrix

__all__ = [
    "ACCURACY",
    "BALANCED_ACCURACY",
    "KAPPA",
    "MACRO_F1",
    "ClassScores",
    "accuracy",
    "balanced_accuracy",
    "cohen_kappa",
    "confusion_matrix",
    "macro_f1",
    "per_class",
]


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one class, each a fraction of 1 or ``None`` where undefined."""

    precision: float | None
    """Correct among the images predicted to be of this class; ``None`` when none was."""
    recall: float | None
    """Correct among the images of this class; ``None`` when there is none."""
    f1: float | None
    """``2 tp / (2 tp + fp + fn)``; ``None`` when the class is neither present nor ever predicted."""
    support: int
    """Number of images of this class."""


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


ACCURACY = Metric(
    title="Accuracy",
    help="Share of test images classified correctly.",
    of_matrices=_accuracy,
)
BALANCED_ACCURACY = Metric(
    title="Balanced accuracy",
    help="Mean of the recalls of all classes: rare classes count as much as common ones.",
    of_matrices=_balanced_accuracy,
)
KAPPA = Metric(
    title="Kappa",
    help="Cohen's kappa: agreement with the labels beyond chance, 1 is perfect.",
    of_matrices=_cohen_kappa,
    format="number",
)
MACRO_F1 = Metric(
    title="Macro F1",
    help="Mean of the F1 scores of all classes.",
    of_matrices=_macro_f1,
    format="number",
    column="optional",
)


def _scalar(value: Any) -> float | None:
    number = float(value)
    return None if np.isnan(number) else number


def _score(formula: Formula, cm: ArrayLike) -> float | None:
    return _scalar(formula(checked_matrix(cm).astype(np.float64)))


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, num_classes: int) -> Ints:
    """Count images by true class (row) and predicted class (column): int64 of shape ``(C, C)``."""
    true = checked_labels(labels, num_classes)
    given = checked_labels(predicted, num_classes, "predicted labels")
    if true.shape != given.shape:
        raise DataError(
            f"There are {given.size} predicted labels for {true.size} labels; one for each image is needed."
        )
    return np.bincount(true * num_classes + given, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy(cm: ArrayLike) -> float:
    """Return the share of images on the diagonal."""
    matrix = checked_matrix(cm)
    return float(np.trace(matrix) / matrix.sum())


def balanced_accuracy(cm: ArrayLike) -> float:
    """Return the mean recall over the classes that have images, as scikit-learn does."""
    value = _score(_balanced_accuracy, cm)
    assert value is not None  # a checked matrix holds an image, so one class has a recall
    return value


def cohen_kappa(cm: ArrayLike) -> float | None:
    """Return the agreement beyond chance, ``(po - pe) / (1 - pe)`` (Cohen 1960).

    ``None`` when chance alone agrees always: every image is of one class and every prediction names it.
    """
    return _score(_cohen_kappa, cm)


def macro_f1(cm: ArrayLike) -> float:
    """Return the mean F1 over the classes that occur among labels or predictions (scikit-learn's default)."""
    value = _score(_macro_f1, cm)
    assert value is not None  # a checked matrix holds an image, so one class occurs
    return value


def per_class(cm: ArrayLike) -> list[ClassScores]:
    """Return the scores of each class, in the order of the matrix."""
    matrix = checked_matrix(cm)
    floats = matrix.astype(np.float64)
    rows = zip(_precisions(floats), _recalls(floats), _f1s(floats), matrix.sum(axis=1), strict=True)
    return [ClassScores(_scalar(p), _scalar(r), _scalar(f), int(support)) for p, r, f, support in rows]
