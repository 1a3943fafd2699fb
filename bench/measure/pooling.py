"""Rounds of an inference profile put together: samples pooled, and a notice where the rounds disagree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import median

from bench.measure.sampling import is_narrow
from bench.results.inference import BatchTiming, InferenceProfile
from bench.results.notice import Notice

__all__ = ["pool"]


def pool(
    known: Sequence[InferenceProfile], further: Sequence[InferenceProfile], tolerance: float
) -> tuple[InferenceProfile, ...]:
    """Add a round to the profiles that there are, backend by backend; what it alone has is left out.

    tolerance: the study's. The median of all samples has to be known within it, and no round's own median may lie
    further from it than that: within one process the samples can agree on a speed that the next process does not have.
    """
    news = {profile.backend: profile for profile in further}
    return tuple(_joined(profile, news.get(profile.backend), tolerance) for profile in known)


def _joined(known: InferenceProfile, further: InferenceProfile | None, tolerance: float) -> InferenceProfile:
    if further is None or further.not_measured is not None:
        return known
    sizes = {timed.batch_size: timed for timed in further.batches}
    batches = tuple(_added(timed, sizes.get(timed.batch_size), tolerance) for timed in known.batches)
    cold = () if further.cold_start_seconds is None else (further.cold_start_seconds,)
    starts = known.later_cold_starts + cold
    stopped = known.stopped or further.stopped
    return known.model_copy(update={"batches": batches, "later_cold_starts": starts, "stopped": stopped})


def _added(known: BatchTiming, further: BatchTiming | None, tolerance: float) -> BatchTiming:
    if further is None or not further.seconds:
        return known
    rounds = (*(known.rounds or (len(known.seconds),)), len(further.seconds))
    seconds = known.seconds + further.seconds
    return known.model_copy(
        update={
            "seconds": seconds,
            "rounds": rounds,
            "warmup_seconds": known.warmup_seconds + further.warmup_seconds,
            "unstable": _unstable(seconds, rounds, tolerance),
        }
    )


def _unstable(seconds: Sequence[float], rounds: Sequence[int], tolerance: float) -> Notice | None:
    if not is_narrow(seconds, tolerance):
        return Notice.of("unstable_median", samples=len(seconds), rounds=len(rounds), share=tolerance, warm=1)
    ends = accumulate(rounds, initial=0)
    middle = median(seconds)
    shifts = [median(seconds[start:end]) / middle - 1 for start, end in pairwise(ends)]
    if max(map(abs, shifts)) <= tolerance:
        return None
    return Notice.of("rounds_disagree", rounds=len(rounds), low=min(shifts), high=max(shifts))
