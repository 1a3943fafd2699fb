"""Speed of inference, from its raw samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from bench.results.schema import BatchTiming, InferenceProfile, Round
from bench.stats.timings import median_interval
from reports.sections.base import Page, Section
from reports.text.formatting import Value, duration, percent, plain
from reports.text.i18n import N_, Translator
from reports.text.messages import word

__all__ = ["SECTION", "BackendRow"]


@dataclass(frozen=True)
class BackendRow:
    """One model in one backend."""

    title: str
    backend: str
    cold_start: Value
    latency: Value
    """Median at the smallest batch that was measured, in seconds of one call."""
    latency_batch: int | None
    latency_p90: Value
    latency_p99: Value
    """Needs a hundred samples."""
    throughput: Value
    """Images a second at the best batch, from its median."""
    throughput_batch: int | None
    accuracy: Value
    agreement: Value
    notes: tuple[str, ...]
    batches: tuple[tuple[int, Value, Value], ...]
    """(batch, median of a call, images a second) for every batch that was measured."""


def build(page: Page) -> dict[str, Any] | None:
    """Every backend of every model whose inference was profiled; None where none was."""
    data, _ = page.data, page.translate
    profiled = [(entry, profile) for entry in data.leading if entry.result for profile in entry.result.profiles]
    rows = [
        _backend_row(data.title(entry), profile, _rounds(entry.result.rounds, profile, _), _)
        for entry, profile in profiled
        if entry.result
    ]
    has_scores = any(not value.is_missing for row in rows for value in (row.accuracy, row.agreement))
    return {"rows": rows, "has_scores": has_scores} if rows else None


def _rounds(further: Sequence[Round], profile: InferenceProfile, _: Translator) -> list[str]:
    """In how many rounds a backend was measured, and why some were lost."""
    count = max((len(batch.rounds) for batch in profile.batches), default=0)
    notes = [_("{n} rounds, each in a new process").format(n=count)] if count > 1 else []
    lost = [one.lost for one in further if one.lost]
    return notes + [_("a round was lost: {why}").format(why=word(why, _)) for why in lost]


def _backend_row(title: str, profile: InferenceProfile, rounds: Sequence[str], _: Translator) -> BackendRow:
    why = word(profile.not_measured or N_("not measured"), _)
    timed = [batch for batch in profile.batches if batch.seconds]
    batches = [(batch.batch_size, _call(batch), _rate(batch)) for batch in sorted(timed, key=lambda b: b.batch_size)]
    first = min(timed, key=lambda b: b.batch_size, default=None)
    best = max(batches, key=lambda row: row[2].raw or 0.0, default=None)
    unstable = [
        f"{_('batch {n}').format(n=batch.batch_size)}: {word(batch.unstable, _)}" for batch in timed if batch.unstable
    ]
    return BackendRow(
        title=title,
        backend=profile.backend,
        cold_start=_cold(profile, why, _),
        latency=batches[0][1] if batches else duration(None, why),
        latency_batch=batches[0][0] if batches else None,
        latency_p90=_tail(first, 90, 10, why),
        latency_p99=_tail(first, 99, 100, why),
        throughput=best[2] if best else plain(None, why),
        throughput_batch=best[0] if best else None,
        accuracy=percent(profile.accuracy, why),
        agreement=percent(profile.agreement, why),
        notes=(*rounds, *(word(note, _) for note in (profile.not_measured, profile.stopped) if note), *unstable),
        batches=tuple(batches),
    )


def _call(batch: BatchTiming) -> Value:
    """The median of a call; its 95 % interval in the title."""
    value, span = duration(median(batch.seconds)), median_interval(batch.seconds)
    ends = f", 95 % {span.low:.4g} – {span.high:.4g} s" if span else ""
    return Value(value.text, value.raw, f"{value.title}{ends}, n = {len(batch.seconds)}")


def _cold(profile: InferenceProfile, why: str, _: Translator) -> Value:
    """The first call of all; those of further rounds, which find warm caches, in its title."""
    value = duration(profile.cold_start_seconds, why)
    if value.is_missing or not profile.later_cold_starts:
        return value
    later = ", ".join(duration(seconds).text for seconds in profile.later_cold_starts)
    return Value(value.text, value.raw, f"{value.title}; {_('in later rounds {times}').format(times=later)}")


def _tail(batch: BatchTiming | None, percentile: int, samples: int, why: str) -> Value:
    """A percentile of the calls at a batch; it needs as many samples that one of them can lie beyond it."""
    if batch is None:
        return duration(None, why)
    if len(batch.seconds) < samples:
        return duration(None, N_("too few samples"))
    return duration(float(np.percentile(batch.seconds, percentile, method="inverted_cdf")))


def _rate(batch: BatchTiming) -> Value:
    return plain(batch.batch_size / median(batch.seconds), unit="img/s")


SECTION = Section(N_("Speed of inference"), build)
