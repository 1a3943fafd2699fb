"""How far two models' scores on the same test images differ, with a paired bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from bench.errors import DataError
from bench.stats.confidence import (
    RESAMPLES,
    Interval,
    checked_level,
    checked_resamples,
    gamma_chunks,
    known_formula,
    percentile_interval,
    score_interval,
)
from bench.stats.metrics import confusion_matrix, predicted_labels
from bench.stats.metrics.checks import Floats, Ints, checked_labels

__all__ = ["paired_difference"]

_MOST_CLASSES = 1 << 20


def checked_predictions(labels: ArrayLike, predictions: Mapping[str, ArrayLike]) -> tuple[Ints, dict[str, Ints]]:
    """Return the labels and the predicted classes of each model, all ``(n,)``; DataError where the lengths differ."""
    true = checked_labels(labels, _MOST_CLASSES)
    predicted = {}
    for name, given in predictions.items():
        array = np.asarray(given)
        found = (
            predicted_labels(array)
            if array.ndim == 2
            else checked_labels(array, _MOST_CLASSES, f"predictions of {name!r}")
        )
        if found.size != true.size:
            raise DataError(f"{name!r} has {found.size} predictions for {true.size} images; pair them by image first.")
        predicted[name] = found
    return true, predicted


@lru_cache(maxsize=4096)  # models that agree, as on CPU and GPU, come again and again
def accuracy_difference(only_a: int, only_b: int, n: int, level: float, resamples: int, seed: int) -> Interval:
    """Bootstrap ``(only_a - only_b) / n`` over its three kinds of image, with half an image of prior on each."""
    if only_a < only_b:  # so that swapping the models turns the sign and nothing else
        other = accuracy_difference(only_b, only_a, n, level, resamples, seed)
        return replace(other, estimate=-other.estimate, low=-other.high, high=-other.low)
    alpha = np.array([only_a, only_b, n - only_a - only_b]) + 0.5
    draws = np.concatenate(list(gamma_chunks(alpha, checked_resamples(resamples), seed)))
    differences = (draws[:, 0] - draws[:, 1]) / draws.sum(axis=1)
    found = percentile_interval((only_a - only_b) / n, differences, checked_level(level))
    return found if only_a > only_b else replace(found, low=-found.half_width, high=found.half_width)


def _joint_cells(true: Ints, a: Ints, b: Ints, classes: int) -> tuple[Ints, Floats]:
    """Cells ``(true, a, b)`` as ``(K, 3)`` and their counts plus the prior of :func:`accuracy_difference`.

    The prior is spread evenly: both right, only ``a`` wrong, only ``b`` wrong, over all classes and wrong answers.
    """
    present = np.unique(true)
    i, j = np.meshgrid(present, np.arange(classes), indexing="ij")
    i, j = i[i != j], j[i != j]
    prior_cells = [np.stack(cells, axis=1) for cells in ((present,) * 3, (i, j, i), (i, i, j))]
    prior = [np.full(len(cells), 0.5 / len(cells)) for cells in prior_cells]
    cells, where = np.unique(
        np.concatenate([np.stack([true, a, b], axis=1), *prior_cells]), axis=0, return_inverse=True
    )
    counted = np.concatenate([np.ones(true.size), *prior])
    weights = np.bincount(where.ravel(), weights=counted).astype(np.float64)
    return cells.astype(np.int64), weights


def _marginal(draws: Floats, cell: Ints, classes: int) -> Floats:
    """Sum draws ``(r, K)`` whose flat matrix cell is ``cell`` ``(K,)`` into matrices ``(r, classes, classes)``."""
    order = np.argsort(cell, kind="stable")
    at, starts = np.unique(cell[order], return_index=True)
    matrices = np.zeros((len(draws), classes * classes))
    matrices[:, at] = np.add.reduceat(draws[:, order], starts, axis=1)
    return matrices.reshape(-1, classes, classes)


def paired_difference(
    labels: ArrayLike,
    pred_a: ArrayLike,
    pred_b: ArrayLike,
    statistic: str = "accuracy",
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """Return ``statistic`` of ``a`` less that of ``b`` on the same images, with its paired bootstrap interval.

    ``statistic``: the name of a metric that a confusion matrix gives. ``None`` where it cannot be had: images of one
    class only, for anything but accuracy.
    """
    formula = known_formula(statistic)
    true, predicted = checked_predictions(labels, {"a": pred_a, "b": pred_b})
    used, codes = np.unique(np.concatenate([true, predicted["a"], predicted["b"]]), return_inverse=True)
    true, a, b = codes.reshape(3, -1).astype(np.int64)
    if statistic == "accuracy":
        only_a, only_b = int(((a == true) & (b != true)).sum()), int(((b == true) & (a != true)).sum())
        return accuracy_difference(only_a, only_b, true.size, level, resamples, seed)
    if np.unique(true).size == 1:
        return None
    classes = used.size
    cells, weights = _joint_cells(true, a, b, classes)
    cell_a, cell_b = cells[:, 0] * classes + cells[:, 1], cells[:, 0] * classes + cells[:, 2]
    differences = [
        formula(_marginal(draws, cell_a, classes)) - formula(_marginal(draws, cell_b, classes))
        for draws in gamma_chunks(weights, checked_resamples(resamples), seed)
    ]
    scores = [formula(confusion_matrix(true, given, classes).astype(np.float64)) for given in (a, b)]
    return score_interval(float(scores[0] - scores[1]), np.concatenate(differences), checked_level(level))
