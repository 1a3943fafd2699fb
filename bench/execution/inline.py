"""Run a cell in this process, for debugging a model: ``breakpoint()`` works, and an unforeseen exception is raised.

Nothing is isolated or limited, so nothing is measured: the row shows it. A study's limits of time and memory do not
apply here. What a cell sets for its process stays set afterwards: the threads of torch, its determinism,
variables of the environment, the working directory on the path of modules.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from bench.disk import is_disk_error
from bench.execution.cell_folder import clear_folder, finished_epochs, unwritable
from bench.execution.cell_result import Surroundings, make_result
from bench.execution.executor import CellInterrupted
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import Outcome
from bench.execution.messages.progress import Progress
from bench.execution.process.exit_status import interruption
from bench.execution.worker.cell import run_cell
from bench.execution.worker.progress import ProgressWriter
from bench.execution.worker.record import Record
from bench.results.notice import Notice
from bench.results.schema import CellResult, Energy, Failure, InferenceProfile, Memory, Status, Timings
from bench.signals import signal_of
from bench.study.schema import Budget

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """This process, for debugging a model: neither isolated nor timed."""

    interactive: ClassVar[bool] = True

    def run(
        self,
        job: Job,
        budget: Budget,  # noqa: ARG002 - a debugger may take its time
        *,
        on_progress: Callable[[Progress], None],
        price_per_hour: float | None = None,
    ) -> CellResult:
        """See `bench.execution.executor.Executor`. What nobody foresaw is raised as it is."""
        if job.cell.training:  # its profile could not be stored
            job = job.model_copy(update={"measure": job.measure.model_copy(update={"inference": False})})
        began, start, record = datetime.now(UTC), time.monotonic(), Record()
        try:
            _run(job, record, on_progress, start)
        except KeyboardInterrupt as stop:
            number = signal_of(stop)
            record.failed(Status.INTERRUPTED, Failure(kind="interrupted", notice=interruption(number)))
            raise CellInterrupted(_result(job, record.outcome, began, start, price_per_hour), number) from None
        except Exception as error:
            if not is_disk_error(error, job.folder):
                raise
            raise unwritable(job.cell.title, job.folder, str(error)) from error
        return _result(job, record.outcome, began, start, price_per_hour)


def _run(job: Job, record: Record, on_progress: Callable[[Progress], None], start: float) -> None:
    clear_folder(job.folder)
    here = str(Path.cwd())
    if here not in sys.path:  # a user's own models, as in a child
        sys.path.append(here)
    reporter = ProgressWriter(job.folder, job.cell.train.epochs, record, publish=on_progress, enter=lambda _: None)
    try:
        later = run_cell(job, record, reporter, lambda: time.monotonic() - start)
        if later is not None:
            later(lambda: None)
    finally:
        reporter.close()


def _result(job: Job, known: Outcome, began: datetime, start: float, price: float | None) -> CellResult:
    """The result without any figure that another process of its own would have given otherwise."""
    why = Notice.of("not_isolated")
    context = known.context.model_copy(update={"executor": "inline", "notices": (*known.context.notices, why)})
    profiles = tuple(InferenceProfile(backend=found.backend, not_measured=why) for found in known.profiles)
    around = Surroundings(
        began=began,
        seconds=time.monotonic() - start,
        price_per_hour=price,
        timings=Timings(),
        memory=Memory(method=why),
        energy=Energy(not_measured=why),
        context=context,
    )
    outcome = known.model_copy(update={"profiles": profiles})
    epochs = known.epochs or finished_epochs(job.folder)
    return make_result(job, outcome, known.status, known.error, epochs, around)
