"""Speed of inference from its raw samples, and memory phase by phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.results import BatchTiming, InferenceProfile
from bench.uncertainty import Interval, median_interval
from reports.gather import Entry, Gathered
from reports.language import Translate
from reports.stored_texts import told
from reports.wording import Value, duration, memory, percent, plain

__all__ = ["BackendRow", "inference", "memory_phases"]


@dataclass(frozen=True)
class BackendRow:
    """One model in one backend."""

    title: str
    backend: str
    cold_start: Value
    latency: Value
    """Median at the smallest batch that was measured, in seconds of one call."""
    latency_batch: int | None
    throughput: Value
    """Images a second at the best batch, from its median."""
    throughput_batch: int | None
    accuracy: Value
    agreement: Value
    notes: tuple[str, ...]
    batches: tuple[tuple[int, Value, Value], ...]
    """(batch, median of a call, images a second) for every batch that was measured."""


def inference(gathered: Gathered, _: Translate) -> dict[str, Any] | None:
    """Every backend of every model whose inference was profiled; None where none was."""
    profiled = [(entry, profile) for entry in gathered.leading if entry.result for profile in entry.result.profiles]
    rows = [_backend_row(gathered.title(entry), profile, _) for entry, profile in profiled]
    return {"rows": rows} if rows else None


def _backend_row(title: str, profile: InferenceProfile, _: Translate) -> BackendRow:
    why = profile.not_measured or "not measured"
    timed = [batch for batch in profile.batches if batch.seconds]
    batches = [(batch.batch_size, _call(batch), _rate(batch)) for batch in sorted(timed, key=lambda b: b.batch_size)]
    best = max(batches, key=lambda row: row[2].raw or 0.0, default=None)
    unstable = [
        f"{_('batch {n}').format(n=batch.batch_size)}: {told(batch.unstable, _)}" for batch in timed if batch.unstable
    ]
    return BackendRow(
        title=title,
        backend=profile.backend,
        cold_start=duration(profile.cold_start_seconds, why),
        latency=batches[0][1] if batches else duration(None, why),
        latency_batch=batches[0][0] if batches else None,
        throughput=best[2] if best else plain(None, why),
        throughput_batch=best[0] if best else None,
        accuracy=percent(profile.accuracy, why),
        agreement=percent(profile.agreement, why),
        notes=(*(told(note, _) for note in (profile.not_measured, profile.stopped) if note), *unstable),
        batches=tuple(batches),
    )


def _median(batch: BatchTiming) -> float:
    ordered = sorted(batch.seconds)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _call(batch: BatchTiming) -> Value:
    """The median of a call; its 95 % interval in the title."""
    value = duration(_median(batch))
    return Value(value.text, value.raw, _spanned(value.title, median_interval(batch.seconds), len(batch.seconds)))


def _spanned(text: str, span: Interval | None, samples: int) -> str:
    ends = f", 95 % {span.low:.4g} – {span.high:.4g} s" if span else ""
    return f"{text}{ends}, n = {samples}"


def _rate(batch: BatchTiming) -> Value:
    return plain(batch.batch_size / _median(batch), unit="img/s")


def memory_phases(gathered: Gathered, _: Translate) -> dict[str, Any] | None:
    """Peak memory of each phase of the first seed of every configuration; None where no run has it."""
    found: list[tuple[Entry, dict[str, float]]] = [
        (entry, entry.result.memory.by_phase) for entry in gathered.leading if entry.result
    ]
    phases = list(dict.fromkeys(phase for _entry, by_phase in found for phase in by_phase))
    if not phases:
        return None
    rows = [
        (
            gathered.title(entry),
            memory(entry.result.memory.baseline_mib if entry.result else None),
            [memory(by_phase.get(phase)) for phase in phases],
            memory(entry.result.memory.peak_ram_mib if entry.result else None),
        )
        for entry, by_phase in found
        if by_phase
    ]
    methods = list(
        dict.fromkeys(told(e.result.memory.method, _) for e, _by in found if e.result and e.result.memory.method)
    )
    return {"phases": [told(phase, _) for phase in phases], "rows": rows, "methods": methods}
