"""A cell's result, from what its process left and from what was measured around it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.execution.messages.job import Job
from bench.execution.messages.outcome import Outcome
from bench.measure.latency import summary_metrics
from bench.results.schema import CellResult, Energy, Failure, Memory, Status, Timings
from bench.results.settings import CellContext

__all__ = ["Surroundings", "make_result"]


@dataclass(frozen=True)
class Surroundings:
    """What an executor knows of a cell beside the cell's own outcome."""

    began: datetime
    seconds: float
    """From the start of the cell to its end."""
    price_per_hour: float | None
    timings: Timings
    memory: Memory
    energy: Energy
    context: CellContext


def make_result(
    job: Job, known: Outcome, status: Status, error: Failure | None, epochs: int, around: Surroundings
) -> CellResult:
    """Put a result together; scores are left out unless the cell is ok.

    known: the outcome, or what was known before the cell was ended. epochs: how many were finished.
    """
    done = status is Status.OK
    return CellResult(
        id=job.cell.id,
        cell=job.cell,
        label=job.cell.label,
        status=status,
        error=error,
        metrics=known.metrics if done else {},
        confusion=known.confusion if done else (),
        best_epoch=known.best_epoch,
        epochs=epochs,
        timings=around.timings,
        memory=around.memory,
        energy=around.energy,
        model=known.model,
        inference=summary_metrics(known.profiles),
        profiles=known.profiles,
        price_per_hour=around.price_per_hour,
        context=around.context,
        settings=known.settings,
        started=around.began.isoformat(timespec="milliseconds"),
        finished=(around.began + timedelta(seconds=around.seconds)).isoformat(timespec="milliseconds"),
    )
