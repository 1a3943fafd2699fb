from __future__ import annotations

from statistics import median

from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from bench.stats.timings import median_interval


@settings(deadline=None)
@given(st.integers(min_value=6, max_value=3000))
@example(6)
@example(9)
@example(1000)
def test_the_interval_of_a_median_covers_it(count: int) -> None:
    """For any continuous distribution the ranks hold the median with the probability of a binomial count."""
    interval = median_interval([n + 1.0 for n in range(count)])
    assert interval is not None
    low, high = int(interval.low) - 1, int(interval.high) - 1
    assert low == count - 1 - high
    assert 1 - 2 * binom.cdf(low, count, 0.5) >= 0.95
    assert 1 - 2 * binom.cdf(low + 1, count, 0.5) < 0.95, "a narrower one would do"
    assert low <= median(range(count)) <= high
    assert interval.estimate == 1 + median(range(count))


def test_five_samples_have_no_interval() -> None:
    assert median_interval([1.0] * 5) is None


def test_a_higher_level_has_a_wider_interval() -> None:
    samples = [n + 1.0 for n in range(200)]
    widths = []
    for level in (0.8, 0.95, 0.999):
        interval = median_interval(samples, level)
        assert interval is not None
        low = int(interval.low) - 1
        assert 1 - 2 * binom.cdf(low, 200, 0.5) >= level > 1 - 2 * binom.cdf(low + 1, 200, 0.5)
        widths.append(interval.high - interval.low)
    assert widths == sorted(set(widths))
