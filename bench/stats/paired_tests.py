"""Which of two models, or of many, is better on the same test images, and what cannot be decided.

Everything here is paired: two models that were shown the same images share the images' difficulty, and only the
images on which they disagree separate them. No model is called better unless a test, corrected for how many
tests were made, separates it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from string import ascii_letters

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

__all__ = [
    "CochranQ",
    "Comparison",
    "Groups",
    "cochran_q",
    "compare_all",
    "compare_pair",
    "groups",
    "holm",
    "mcnemar_exact",
    "paired_difference",
]

_MOST_CLASSES = 1 << 20


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


@dataclass(frozen=True, slots=True)
class Groups:
    """What the tests can and cannot separate."""

    order: tuple[str, ...]
    """All models, the most accurate first."""
    tied_with_best: tuple[str, ...]
    """The first of ``order`` and every model whose corrected test against it does not separate them."""
    winner: str | None
    """The first of ``order`` if it is separated from every other model, otherwise nobody."""
    letters: dict[str, str] | None
    """Compact letter display: two models share a letter exactly when no test separates them. ``None`` where that
    would take more than 52 letters."""


def _predictions(labels: ArrayLike, predictions: Mapping[str, ArrayLike]) -> tuple[Ints, dict[str, Ints]]:
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


# ------------------------------------------------------------------------------------- the tests


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
    true, predicted = _predictions(labels, predictions)
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


# ------------------------------------------------------------------------------- paired comparisons


@lru_cache(maxsize=4096)  # models that agree, as on CPU and GPU, come again and again
def _accuracy_difference(only_a: int, only_b: int, n: int, level: float, resamples: int, seed: int) -> Interval:
    """Bootstrap ``(only_a - only_b) / n`` over its three kinds of image, with half an image of prior on each."""
    if only_a < only_b:  # so that swapping the models turns the sign and nothing else
        other = _accuracy_difference(only_b, only_a, n, level, resamples, seed)
        return replace(other, estimate=-other.estimate, low=-other.high, high=-other.low)
    alpha = np.array([only_a, only_b, n - only_a - only_b]) + 0.5
    draws = np.concatenate(list(gamma_chunks(alpha, checked_resamples(resamples), seed)))
    differences = (draws[:, 0] - draws[:, 1]) / draws.sum(axis=1)
    found = percentile_interval((only_a - only_b) / n, differences, checked_level(level))
    return found if only_a > only_b else replace(found, low=-found.half_width, high=found.half_width)


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
    true, predicted = _predictions(labels, predictions)
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
            _accuracy_difference(int(only[i, j]), int(only[j, i]), n, level, resamples, seed),
            float(alone), float(corrected),
        )
        for (i, j), alone, corrected in zip(pairs, p, holm(p), strict=True)
    ]  # fmt: skip


# ------------------------------------------------------------------------ differences of other scores


def _joint_cells(true: Ints, a: Ints, b: Ints, classes: int) -> tuple[Ints, Floats]:
    """Cells ``(true, a, b)`` as ``(K, 3)`` and their counts plus the prior of :func:`_accuracy_difference`.

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
    true, predicted = _predictions(labels, {"a": pred_a, "b": pred_b})
    used, codes = np.unique(np.concatenate([true, predicted["a"], predicted["b"]]), return_inverse=True)
    true, a, b = codes.reshape(3, -1).astype(np.int64)
    if statistic == "accuracy":
        only_a, only_b = int(((a == true) & (b != true)).sum()), int(((b == true) & (a != true)).sum())
        return _accuracy_difference(only_a, only_b, true.size, level, resamples, seed)
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


# -------------------------------------------------------------------------------------------- groups


def _maximal_cliques(neighbors: Sequence[int]) -> Iterator[int]:
    """Yield the maximal cliques of a graph as bit masks (Bron and Kerbosch 1973, with Tomita's pivot)."""
    stack = [(0, (1 << len(neighbors)) - 1, 0)]
    while stack:
        clique, candidates, excluded = stack.pop()
        if not candidates:
            if not excluded:
                yield clique
            continue
        pivot = max(_bits(candidates | excluded), key=lambda v: (candidates & neighbors[v]).bit_count())
        for v in _bits(candidates & ~neighbors[pivot]):
            near = neighbors[v]
            stack.append((clique | 1 << v, candidates & near, excluded & near))
            candidates &= ~(1 << v)
            excluded |= 1 << v


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _letters(order: Sequence[str], separated: set[frozenset[str]]) -> dict[str, str] | None:
    alike = [
        sum(1 << j for j, other in enumerate(order) if other != name and frozenset((name, other)) not in separated)
        for name in order
    ]
    cliques = []
    for clique in _maximal_cliques(alike):
        cliques.append(clique)
        if len(cliques) > len(ascii_letters):
            return None
    cliques.sort(key=lambda clique: list(_bits(clique)))
    return {
        name: "".join(letter for letter, clique in zip(ascii_letters, cliques, strict=False) if clique >> i & 1)
        for i, name in enumerate(order)
    }


def groups(comparisons: Sequence[Comparison], alpha: float = 0.05) -> Groups:
    """Group models that the corrected tests at ``alpha`` cannot separate.

    ``comparisons``: all pairs, from :func:`compare_all`. The letters are a compact letter display (Piepho 2004): one
    for each largest set of models of which no two are separated. "Not separated" is not "equal": more test
    images may separate them. Note that it does not chain: of a, b and c, a and b may be tied, b and c too, and a and
    c separated. An empty list gives empty groups.
    """
    accuracy = {c.a: c.accuracy_a for c in comparisons} | {c.b: c.accuracy_b for c in comparisons}
    order = sorted(accuracy, key=lambda name: (-accuracy[name], name))
    if len(comparisons) != len(order) * (len(order) - 1) // 2:
        raise DataError("Grouping needs the comparison of every pair of models once, as compare_all gives them.")
    if not order:
        return Groups((), (), None, {})
    separated = {frozenset((c.a, c.b)) for c in comparisons if c.separated(alpha)}
    tied = [name for name in order if frozenset((order[0], name)) not in separated]
    return Groups(tuple(order), tuple(tied), order[0] if len(tied) == 1 else None, _letters(order, separated))
