"""Timing something again and again: until it runs steadily, and then until its median is known well enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.results.notice import Notice
from bench.stats.timings import median_interval

__all__ = ["ENOUGH", "Sampled", "is_narrow", "is_steady", "sample", "warm_up_until_steady"]

_WINDOW = 3
ENOUGH = 2 * _WINDOW
"""Samples below which steadiness is unknown."""
_FEWEST = 6
"""A 95 % interval of a median needs six samples."""
_MOST = 1000


@dataclass(frozen=True)
class Sampled:
    """Raw samples in seconds, those of the warm-up apart."""

    seconds: tuple[float, ...]
    warmup: tuple[float, ...]
    unstable: Notice | None
    """Why the median is not known within the tolerance; None when it is."""


def is_steady(samples: Sequence[float], tolerance: float) -> bool:
    """Whether the medians of the last three samples and of the three before them are within the tolerance."""
    if len(samples) < ENOUGH:
        return False
    before, last = median(samples[-2 * _WINDOW : -_WINDOW]), median(samples[-_WINDOW:])
    return abs(last - before) <= tolerance * max(last, before)


def is_narrow(samples: Sequence[float], tolerance: float) -> bool:
    """Whether the 95 % interval of the median is within the tolerance on both sides; never below six samples."""
    interval = median_interval(samples)
    if interval is None:
        return False
    return interval.low >= (1 - tolerance) * interval.estimate and interval.high <= (1 + tolerance) * interval.estimate


def warm_up_until_steady(
    run: Callable[[], object], *, seconds: float, tolerance: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[tuple[float, ...], bool]:
    """Call ``run`` until its time is steady or the seconds are over, twice at least; returns the times, and whether.

    The seconds count from the end of the first call, which may have to compile something. ``run`` has to wait for the
    device before it returns.
    """
    times = [_timed(run, clock)]
    begun = clock()
    while True:
        times.append(_timed(run, clock))
        if is_steady(times, tolerance):
            return tuple(times), True
        if clock() - begun >= seconds:
            return tuple(times), False


def _timed(run: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return clock() - start


def sample(
    run: Callable[[], object],
    *,
    seconds: float,
    tolerance: float,
    least: int = _FEWEST,
    extra: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Sampled:
    """Warm up, then time ``run`` until its median is known or the seconds are over.

    least: samples that are taken even when fewer would do, as far as the time allows. extra: further seconds, used
    only as long as there are fewer samples than that. The warm-up has half of the seconds at most. At least one sample
    is taken, at most 1,000.
    """
    warmup, steady = warm_up_until_steady(run, seconds=seconds / 2, tolerance=tolerance, clock=clock)
    left = seconds - sum(warmup[1:])
    times: list[float] = []
    check_at, begun = max(least, _FEWEST), clock()
    while True:
        times.append(_timed(run, clock))
        if len(times) >= check_at:
            if is_narrow(times, tolerance):
                break
            check_at = math.ceil(check_at * 1.25)
        if clock() - begun >= (left if len(times) >= least else left + extra) or len(times) >= _MOST:
            break
    return Sampled(tuple(times), warmup, _unstable(times, steady, tolerance))


def _unstable(times: Sequence[float], steady: bool, tolerance: float) -> Notice | None:
    if is_narrow(times, tolerance):
        return None
    if len(times) < _FEWEST:
        return Notice.of("time_allowed_samples", count=len(times))
    return Notice.of("unstable_median", samples=len(times), rounds=1, share=tolerance, warm=int(steady))
