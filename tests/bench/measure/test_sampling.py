from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.measure.sampling import is_steady, sample, warm_up_until_steady
from bench.results.notice import Notice
from bench.stats.timings import median_interval


class Fake:
    """A clock that only moves when something runs, and a run that takes the given times in turn."""

    def __init__(self, *times: float) -> None:
        self.now, self.calls, self._times = 0.0, 0, times

    def run(self) -> None:
        self.now += self._times[min(self.calls, len(self._times) - 1)]
        self.calls += 1

    def clock(self) -> float:
        return self.now


def test_a_warm_up_ends_when_the_time_is_steady() -> None:
    fake = Fake(9, 5, 3, 2, 1.5, 1.2, 1, 1, 1, 1, 1)
    times, steady = warm_up_until_steady(fake.run, seconds=1000, tolerance=0.05, clock=fake.clock)
    assert steady
    assert times == pytest.approx((9, 5, 3, 2, 1.5, 1.2, 1, 1, 1, 1, 1))


def test_a_warm_up_that_never_becomes_steady_ends_with_its_time() -> None:
    fake = Fake(*(100 * 0.5**n for n in range(30)))
    times, steady = warm_up_until_steady(fake.run, seconds=80, tolerance=0.05, clock=fake.clock)
    assert not steady
    assert len(times) == 4  # the first, which does not count, and 50 + 25 + 12.5


def test_a_compilation_in_the_first_call_leaves_the_time_for_the_others() -> None:
    fake = Fake(60, 0.1)
    found = sample(fake.run, seconds=2, tolerance=0.05, least=10, clock=fake.clock)
    assert found.warmup[0] == 60
    assert 60 not in found.seconds
    assert len(found.seconds) == 10
    assert found.unstable is None


def test_samples_are_taken_until_the_median_is_known() -> None:
    rng = np.random.default_rng(0)
    noisy = Fake(*np.exp(rng.normal(0, 0.3, 5000)))
    found = sample(noisy.run, seconds=1e9, tolerance=0.05, clock=noisy.clock)
    interval = median_interval(found.seconds)
    assert found.unstable is None
    assert 50 < len(found.seconds) < 1000
    assert interval is not None
    assert interval.high / interval.low < 1.11
    exact = Fake(1.0)
    assert len(sample(exact.run, seconds=1e9, tolerance=0.05, clock=exact.clock).seconds) == 6


def test_what_is_not_known_in_time_is_called_unstable() -> None:
    few = Fake(1.0)
    found = sample(few.run, seconds=4, tolerance=0.05, clock=few.clock)
    assert found.unstable == Notice.of("time_allowed_samples", count=2)
    wild = Fake(*([1.0, 2.0] * 1000))
    unstable = sample(wild.run, seconds=100, tolerance=0.05, clock=wild.clock).unstable
    assert unstable is not None
    assert (unstable.code, unstable.values["share"], unstable.values["rounds"]) == ("unstable_median", 0.05, 1)
    never = Fake(*np.random.default_rng(1).lognormal(0, 3, 3000))
    assert len(sample(never.run, seconds=math.inf, tolerance=0.001, clock=never.clock).seconds) == 1000


@settings(deadline=None)
@given(st.lists(st.floats(min_value=1e-6, max_value=1e3), min_size=6), st.floats(min_value=1e-3, max_value=1e3))
def test_steady_does_not_depend_on_the_unit(samples: list[float], factor: float) -> None:
    assert is_steady([1.0] * 6, 0.01)
    assert not is_steady([*samples, *([1.0] * 3), *([2.0] * 3)], 0.05)
    assert is_steady([2.0**20 * s for s in samples], 0.05) == is_steady(samples, 0.05)
