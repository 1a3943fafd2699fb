"""Which of two models, or of many, is better on the same test images, and what cannot be decided.

Everything here is paired: two models that were shown the same images share the images' difficulty, and only the
images on which they disagree separate them. No model is called better unless a test, corrected for how many
tests were made, separates it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from bench.errors import DataError
from bench.stats.confidence import RESAMPLES, Interval
from bench.stats.metrics.checks import Floats
from bench.stats.paired_bootstrap import accuracy_difference, checked_predictions

__all__ = ["CochranQ", "Comparison", "cochran_q", "compare_all", "compare_pair", "holm", "mcnemar_exact"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same ``n`` test images."""

    a: str
    b: str
    n: int
    accuracy_a: float
    accuracy_b: float
    only_a: int
    """Images that only ``a`` got right."""
    only_b: int
    """Images that only ``b`` got right."""
    difference: Interval
    """Accuracy of ``a`` less that of ``b``, from -1 to 1, by the paired bootstrap."""
    p_value: float
    """McNemar's exact test, two-sided, of this pair alone."""
    p_adjusted: float
    """Holm's correction over all pairs that were compared together; that of this pair alone where it was one."""

    def separated(self, alpha: float = 0.05) -> bool:
        """Whether the corrected test separates the two at ``alpha``."""
        return self.p_adjusted < alpha


@dataclass(frozen=True, slots=True)
class CochranQ:
    """Cochran's Q: do all models have the same accuracy?"""

    statistic: float
    df: int
    p_value: float
    models: int
    n: int


def mcnemar_exact(only_a: ArrayLike, only_b: ArrayLike) -> Floats:
    """Return two-sided p values of McNemar's test (1947) in its exact, binomial form, element by element.

    ``only_a``, ``only_b``: numbers of images that only the one, or only the other, got right. 1 where both are 0.
    """
    from scipy.special import bdtr

    a, b = np.asarray(only_a, dtype=np.int64), np.asarray(only_b, dtype=np.int64)
    if np.any(a < 0) or np.any(b < 0):
        raise DataError("Numbers of images cannot be below 0.")
    p: Floats = np.minimum(1.0, 2 * bdtr(np.minimum(a, b).astype(np.float64), a + b, 0.5))
    return p


def holm(p_values: ArrayLike) -> Floats:
    """Return p values corrected by Holm's step-down method (1979), in the order given, none above 1."""
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or np.any(~((p >= 0) & (p <= 1))):
        raise DataError("p values must be a list of numbers from 0 to 1.")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return adjusted


def cochran_q(labels: ArrayLike, predictions: Mapping[str, ArrayLike]) -> CochranQ | None:
    """Test whether all models have one accuracy on the same images (Cochran 1950; chi-squared, k - 1 df).

    ``predictions``: name to predicted labels ``(n,)`` or probabilities ``(n, C)``. ``None`` below two models, or
    when no image separates any two models, so that there is nothing to test.
    """
    true, predicted = checked_predictions(labels, predictions)
    if len(predicted) < 2:
        return None
    right = np.stack([given == true for given in predicted.values()]).astype(np.int64)
    k, per_model, per_image = len(right), right.sum(axis=1), right.sum(axis=0)
    bottom = int(k * per_image.sum() - (per_image**2).sum())
    if bottom == 0:
        return None
    from scipy.special import chdtrc

    q = (k - 1) * (k * int((per_model**2).sum()) - int(per_model.sum()) ** 2) / bottom
    return CochranQ(float(q), k - 1, float(chdtrc(k - 1, q)), k, true.size)


def compare_pair(
    labels: ArrayLike,
    pred_a: ArrayLike,
    pred_b: ArrayLike,
    *,
    names: tuple[str, str] = ("a", "b"),
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two models on the same images, in the same order.

    ``pred_a``, ``pred_b``: predicted labels ``(n,)`` or probabilities ``(n, C)``. :class:`DataError` when the
    lengths differ. The p value is corrected for nothing: use :func:`compare_all` for more than one pair.
    """
    if names[0] == names[1]:
        raise DataError(f"Both models are called {names[0]!r}; give them different names.")
    predictions = {names[0]: pred_a, names[1]: pred_b}
    return compare_all(labels, predictions, level=level, resamples=resamples, seed=seed)[0]


def compare_all(
    labels: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Compare every pair of models, in the order of ``predictions``, with p values corrected over all pairs (Holm).

    ``predictions``: name to predicted labels ``(n,)`` or probabilities ``(n, C)`` for the same images in the same
    order. The intervals of the differences are each at ``level`` alone, uncorrected. 100 models take about 1 s.
    """
    true, predicted = checked_predictions(labels, predictions)
    names, n = list(predicted), true.size
    right = np.array([given == true for given in predicted.values()], dtype=np.float64).reshape(len(names), n)
    only = np.rint(right @ (1 - right).T).astype(np.int64)  # [i, j]: images that i got right and j did not
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return []
    first, second = np.array(pairs).T
    p = mcnemar_exact(only[first, second], only[second, first])
    accuracy = right.mean(axis=1).tolist()
    return [
        Comparison(
            names[i], names[j], n, accuracy[i], accuracy[j], int(only[i, j]), int(only[j, i]),
            accuracy_difference(int(only[i, j]), int(only[j, i]), n, level, resamples, seed),
            float(alone), float(corrected),
        )
        for (i, j), alone, corrected in zip(pairs, p, holm(p), strict=True)
    ]  # fmt: skip
