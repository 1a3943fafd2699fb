"""The inference profile of a model: latency of one image, throughput over batch sizes, the cold start apart.

Nothing here knows torch: what is timed is a call that takes a batch size and returns when the device is done.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import median

from bench.measure.sampling import sample
from bench.results.inference import BatchTiming, InferenceProfile, InferenceSummary
from bench.results.notice import Notice
from bench.study.measure import MeasureSpec

__all__ = ["percentile", "profile", "summary_metrics"]

LATENCY_SAMPLES = 100
"""Below this many samples there is no 99th percentile."""

_P90_SAMPLES = 10


def profile(
    call: Callable[[int], object],
    spec: MeasureSpec,
    *,
    backend: str,
    prepare_seconds: float | None = None,
    cold_start: float | None = None,
    out_of_memory: Callable[[Exception], bool],
    on_batch: Callable[[InferenceProfile], None],
    clock: Callable[[], float] = time.perf_counter,
) -> InferenceProfile:
    """Time a model over the batch sizes of the study, from the smallest up.

    call: one pass over a batch of that size, the input on the device already, until the device is done.
    cold_start: seconds of the model's first call, where something has run already; None: the first call here is it.
    out_of_memory: whether an exception of ``call`` means that the batch was too large; others are raised.
    on_batch: called with what is known after each size, so that nothing is lost when a larger one ends the process.
    """
    sizes = sorted(spec.batch_sizes)
    found = InferenceProfile(backend=backend, prepare_seconds=prepare_seconds)
    start = clock()
    call(sizes[0])
    cold = clock() - start if cold_start is None else cold_start
    found = found.model_copy(update={"cold_start_seconds": cold, "cold_start_batch": sizes[0]})
    for size, larger in zip(sizes, [*sizes[1:], None], strict=True):
        try:
            timed = _time(call, size, spec, clock)
        except Exception as error:
            if not out_of_memory(error):
                raise
            return found.model_copy(update={"stopped": Notice.of("batch_too_large", batch=size)})
        found = found.model_copy(update={"batches": (*found.batches, timed)})
        on_batch(found)
        expected, longest = median(timed.seconds) * (larger or size) / size, spec.call_seconds or spec.seconds
        if larger is not None and expected > longest:
            stopped = Notice.of("batch_too_slow", batch=larger, seconds=expected, allowed=longest)
            return found.model_copy(update={"stopped": stopped})
    return found


def _time(call: Callable[[int], object], size: int, spec: MeasureSpec, clock: Callable[[], float]) -> BatchTiming:
    single = size == 1
    timed = sample(
        lambda: call(size),
        seconds=spec.seconds,
        tolerance=spec.tolerance,
        least=math.ceil(LATENCY_SAMPLES / spec.rounds) if single else 0,
        extra=3 * spec.seconds if single else 0.0,
        clock=clock,
    )
    return BatchTiming(batch_size=size, seconds=timed.seconds, warmup_seconds=timed.warmup, unstable=timed.unstable)


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share of all samples do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def summary_metrics(profiles: Sequence[InferenceProfile]) -> InferenceSummary:
    """The figures of the tables, from the eager profile: latency at batch 1 and the best throughput."""
    eager = next((p for p in profiles if p.backend == "eager" and p.batches), None)
    if eager is None:
        return InferenceSummary()
    single = next((timed.seconds for timed in eager.batches if timed.batch_size == 1), ())
    speeds = {timed.batch_size / median(timed.seconds): timed.batch_size for timed in eager.batches}
    best = max(speeds)
    return InferenceSummary(
        latency_p50_ms=_ms(median(single)) if single else None,
        latency_p90_ms=_ms(percentile(single, 0.9)) if len(single) >= _P90_SAMPLES else None,
        latency_p99_ms=_ms(percentile(single, 0.99)) if len(single) >= LATENCY_SAMPLES else None,
        throughput_img_s=best,
        throughput_batch=speeds[best],
        cold_start_ms=_ms(eager.cold_start_seconds),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
