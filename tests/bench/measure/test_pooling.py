from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.measure.latency import summary_metrics
from bench.measure.pooling import pool
from bench.results.notice import Notice, verbatim
from bench.results.schema import BatchTiming, InferenceProfile


def _profile(*seconds: float, backend: str = "eager", size: int = 1, **keys: object) -> InferenceProfile:
    timed = BatchTiming(batch_size=size, seconds=seconds)
    fields = {"cold_start_seconds": 2.0, **keys}
    return InferenceProfile(backend=backend, batches=(timed,)).model_copy(update=fields)


def _pooled(*rounds: InferenceProfile) -> InferenceProfile:
    known = rounds[0]
    for further in rounds[1:]:
        (known,) = pool([known], [further], 0.05)
    return known


def test_samples_of_three_rounds_and_their_origin() -> None:
    found = _pooled(_profile(*[1.0] * 6), _profile(*[1.02] * 4, cold_start_seconds=0.5), _profile(*[0.99] * 5))
    (timed,) = found.batches
    assert timed.seconds == (*[1.0] * 6, *[1.02] * 4, *[0.99] * 5)
    assert timed.rounds == (6, 4, 5)
    assert timed.unstable is None
    assert (found.cold_start_seconds, found.later_cold_starts) == (2.0, (0.5, 2.0))


def test_a_99th_percentile_from_rounds_that_had_too_few_samples_for_it() -> None:
    one = _profile(*[0.01] * 40)
    assert summary_metrics([one]).latency_p99_ms is None
    assert summary_metrics([_pooled(one, one, one)]).latency_p99_ms == 10


def test_rounds_that_disagree_are_unstable_however_sure_each_was() -> None:
    """Two of three rounds agree, so that the median of all is known well; the third process was slower by a fifth."""
    found = _pooled(_profile(*[1.0] * 40), _profile(*[1.2] * 10), _profile(*[1.0] * 40))
    unstable = found.batches[0].unstable
    assert unstable is not None
    assert unstable.code == "rounds_disagree"
    assert unstable.values == {"rounds": 3, "low": 0.0, "high": pytest.approx(0.2)}


def test_too_few_samples_in_all_rounds() -> None:
    found = _pooled(_profile(1.0), _profile(1.0))
    expected = Notice.of("unstable_median", samples=2, rounds=2, share=0.05, warm=1)
    assert found.batches[0].unstable == expected


def test_what_a_round_did_not_reach_stays_as_it_was() -> None:
    known = _profile(1.0, size=256)
    assert pool([known], [], 0.05) == (known,)
    assert pool([known], [_profile(1.0, backend="int8")], 0.05) == (known,)
    assert pool([known], [InferenceProfile(backend="eager", not_measured=verbatim("no memory"))], 0.05) == (known,)
    too_large = Notice.of("batch_too_large", batch=256)
    (found,) = pool([known], [_profile(1.0, size=4, stopped=too_large)], 0.05)
    assert found.batches == known.batches
    assert found.stopped == too_large


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(min_value=1e-6, max_value=10), min_size=1, max_size=20), min_size=2, max_size=6))
def test_pooling_loses_no_sample(rounds: list[list[float]]) -> None:
    (timed,) = _pooled(*(_profile(*seconds) for seconds in rounds)).batches
    assert list(timed.seconds) == [sample for seconds in rounds for sample in seconds]
    assert timed.rounds == tuple(map(len, rounds))


@pytest.mark.parametrize("shift", [1.04, 1.06])
def test_the_tolerance_of_the_study_is_what_counts(shift: float) -> None:
    found = _pooled(_profile(*[1.0] * 30), _profile(*[shift] * 10))
    assert (found.batches[0].unstable is None) == (shift < 1.05)
