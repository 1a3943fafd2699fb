"""Intervals of medians and speed-ups, from raw samples of time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import DataError
from bench.stats.confidence import RESAMPLES, Interval, checked_level, checked_resamples, percentile_interval

__all__ = ["Speedup", "median_interval", "speedup"]


@dataclass(frozen=True, slots=True)
class Speedup:
    """How many times faster ``b`` is than ``a``: the median of ``a``'s samples over the median of ``b``'s."""

    ratio: float
    low: float | None
    high: float | None
    """Ends of the interval; ``None`` with too few samples to have one."""
    level: float
    samples_a: int
    samples_b: int

    @property
    def separated(self) -> bool | None:
        """Whether the interval leaves out 1, so that one is faster beyond noise; ``None`` without an interval."""
        return None if self.low is None or self.high is None else not self.low <= 1 <= self.high


def speedup(
    samples_a: ArrayLike, samples_b: ArrayLike, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Speedup:
    """Return how many times faster ``b`` is than ``a``: the ratio of medians, with a bootstrap interval.

    ``samples_a``, ``samples_b``: raw timings in one unit, each above 0, taken independently of each other. With
    fewer samples in either than can hold a median (6 for 95 %) the ratio comes without an interval.
    """
    a, b = _checked_samples(samples_a), _checked_samples(samples_b)
    ratio = float(np.median(a) / np.median(b))
    if not (_enough(min(a.size, b.size), checked_level(level))):
        return Speedup(ratio, None, None, level, a.size, b.size)
    rng = np.random.default_rng(seed)
    count = checked_resamples(resamples)
    ratios = _bootstrap_medians(a, count, rng) / _bootstrap_medians(b, count, rng)
    found = percentile_interval(ratio, ratios, level)
    return Speedup(ratio, found.low, found.high, level, a.size, b.size)


def median_interval(samples: ArrayLike, level: float = 0.95) -> Interval | None:
    """Return the median of raw timings with its exact interval; ``None`` with too few (below 6 for 95 %).

    The interval is of the samples' ranks and assumes no distribution. Conover, Practical Nonparametric Statistics
    (3rd ed.), section 3.2: the innermost pair of ranks, as far from one end as from the other, that a binomial count
    with p = 1/2 leaves out with a probability of ``1 - level`` at most. ``samples``: in one unit, each above 0.
    """
    ordered = _checked_samples(samples)
    count, missed = ordered.size, 1 - Fraction(checked_level(level)).limit_denominator(10**6)
    if not _enough(count, level):
        return None
    low, term, left_out = 0, 1, 1
    while True:  # whole numbers: exact at any count
        term = term * (count - low) // (low + 1)
        if 2 * (left_out + term) > missed * 2**count:
            break
        low, left_out = low + 1, left_out + term
    return Interval(float(np.median(ordered)), float(ordered[low]), float(ordered[count - 1 - low]), level, "rank")


def _checked_samples(samples: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(samples, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)) or array.min() <= 0:
        raise DataError("Timings must be a list of at least one finite number above 0, in one unit.")
    return np.sort(array)


def _enough(n: int, level: float) -> bool:
    """Whether ``n`` samples can hold the median between their ends with probability ``level``: 6 for 95 %."""
    return 1 - 2.0 ** (1 - n) >= level


def _bootstrap_medians(ordered: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Medians of bootstrap samples of ``ordered``, without simulating the samples.

    The k-th smallest of n uniforms is Beta(k, n + 1 - k), and the next one lies a Beta(1, n - k) share of the way
    from there to 1; their quantiles among the samples are the middle of a bootstrap sample, exactly.
    """
    n = ordered.size
    k = (n + 1) // 2
    lower = rng.beta(k, n + 1 - k, resamples)
    middle = ordered[np.minimum((n * lower).astype(np.int64), n - 1)]
    if n % 2:
        return middle
    upper = lower + (1 - lower) * rng.beta(1, n - k, resamples)
    medians: NDArray[np.float64] = (middle + ordered[np.minimum((n * upper).astype(np.int64), n - 1)]) / 2
    return medians
