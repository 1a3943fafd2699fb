from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.measure.latency import percentile, profile, summary_metrics
from bench.results.inference import BatchTiming, InferenceProfile, InferenceSummary
from bench.results.notice import Notice, verbatim
from bench.study.measure import MeasureSpec


class Model:
    """Takes a fixed time and a time for each image; the first call takes longer; holds so many images at most."""

    def __init__(self, *, first: float = 2.0, call: float = 0.01, image: float = 0.001, most: int = 10**9) -> None:
        self.now, self.calls = 0.0, list[int]()
        self._first, self._call, self._image, self._most = first, call, image, most

    def __call__(self, size: int) -> None:
        if size > self._most:
            raise MemoryError
        self.now += self._call + self._image * size + (self._first if not self.calls else 0.0)
        self.calls.append(size)

    def clock(self) -> float:
        return self.now


def _profile(model: Model, reported: list[InferenceProfile] | None = None, **keys: object) -> InferenceProfile:
    seen: Callable[[InferenceProfile], None] = ([] if reported is None else reported).append
    return profile(
        model,
        MeasureSpec.model_validate({"seconds": 5, **keys}),
        backend="eager",
        out_of_memory=lambda error: isinstance(error, MemoryError),
        on_batch=seen,
        clock=model.clock,
    )


def test_the_cold_start_is_reported_apart() -> None:
    found = _profile(Model())
    assert found.cold_start_seconds == pytest.approx(2.011)
    assert found.cold_start_batch == 1
    assert [timed.batch_size for timed in found.batches] == [1, 4, 16, 64, 256]
    for timed in found.batches:
        assert list(timed.seconds) == pytest.approx([0.01 + 0.001 * timed.batch_size] * len(timed.seconds))
        assert timed.unstable is None
    assert len(found.batches[0].seconds) == 100


def test_a_cold_start_that_was_timed_before_the_training_is_taken_over() -> None:
    model = Model()
    found = profile(
        model,
        MeasureSpec(seconds=5),
        backend="eager",
        cold_start=7.0,
        out_of_memory=lambda error: isinstance(error, MemoryError),
        on_batch=lambda _: None,
        clock=model.clock,
    )
    assert found.cold_start_seconds == 7.0
    assert len(found.batches) == 5


def test_figures_are_derived_from_the_samples() -> None:
    figures = summary_metrics([_profile(Model())])
    assert figures.cold_start_ms == pytest.approx(2011)
    assert figures.latency_p50_ms == pytest.approx(11)
    assert figures.latency_p99_ms == pytest.approx(11)
    assert figures.throughput_img_s == pytest.approx(256 / 0.266)
    assert figures.throughput_batch == 256


def test_few_samples_have_no_99th_percentile() -> None:
    timed = BatchTiming(batch_size=1, seconds=(1.0, 2.0, 3.0))
    figures = summary_metrics([InferenceProfile(backend="eager", batches=(timed,))])
    assert figures.latency_p50_ms == 2000
    assert figures.latency_p90_ms is None
    assert figures.latency_p99_ms is None


def test_without_an_eager_profile_there_are_no_figures() -> None:
    timed = BatchTiming(batch_size=1, seconds=(1.0,))
    assert summary_metrics([InferenceProfile(backend="int8", batches=(timed,))]) == InferenceSummary()
    assert (
        summary_metrics([InferenceProfile(backend="eager", not_measured=verbatim("no memory"))]) == InferenceSummary()
    )
    assert summary_metrics([]) == InferenceSummary()


def test_a_batch_too_large_for_the_memory_ends_it() -> None:
    reported: list[InferenceProfile] = []
    found = _profile(Model(most=20), reported)
    assert [timed.batch_size for timed in found.batches] == [1, 4, 16]
    assert found.stopped == Notice.of("batch_too_large", batch=64)
    assert [len(seen.batches) for seen in reported] == [1, 2, 3]


def test_a_batch_too_slow_for_the_time_is_not_tried() -> None:
    model = Model(image=0.05)
    found = _profile(model)
    assert max(model.calls) == 64
    assert found.stopped is not None
    assert found.stopped.code == "batch_too_slow"
    assert found.stopped.values["batch"] == 256
    assert found.stopped.values["seconds"] == pytest.approx(12.8, abs=0.5)


def test_other_errors_are_not_hidden() -> None:
    def broken(size: int) -> float:
        return 1 / (size - 4)

    reported: list[InferenceProfile] = []
    with pytest.raises(ZeroDivisionError):
        profile(
            broken,
            MeasureSpec(seconds=0.01),
            backend="eager",
            out_of_memory=lambda error: isinstance(error, MemoryError),
            on_batch=reported.append,
        )
    assert len(reported) == 1


@settings(deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=10), min_size=1), st.floats(min_value=0.01, max_value=1))
def test_a_percentile_is_a_sample_that_the_share_does_not_exceed(samples: list[float], share: float) -> None:
    value = percentile(samples, share)
    assert value in samples
    assert sum(s <= value for s in samples) >= share * len(samples) - 1e-9
    assert sum(s < value for s in samples) < share * len(samples) + 1e-9


@pytest.mark.parametrize(
    "wrong",
    [
        {"training": False, "inference": False},
        {"backends": ["eager", "eager"]},
        {"backends": ["tensorrt"]},
        {"batch_sizes": [0]},
        {"batch_sizes": [4, 4]},
        {"batch_sizes": []},
        {"seconds": 0},
        {"tolerance": 0},
        {"repeat": 3},
    ],
)
def test_what_cannot_be_measured_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MeasureSpec.model_validate(wrong)
