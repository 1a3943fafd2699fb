"""One cell in this process, from the import of torch to its result, whichever executor has started it."""

from __future__ import annotations

import os
from collections.abc import Callable

from bench.execution.messages.job import Job
from bench.execution.worker.endings import foreseen
from bench.execution.worker.progress import Reporter
from bench.execution.worker.record import Later, Record
from bench.measure.proc_status import resident_mib
from bench.measure.system.cpus import cell_threads
from bench.results.schema import Memory, Timings

__all__ = ["run_cell"]


class _UserThreads:
    """OMP_NUM_THREADS: what the user wants of it, though cells that ran in this process before have set it."""

    _ours: str | None = None
    _value: str | None = None

    @property
    def value(self) -> str | None:
        """As the user set it."""
        found = os.environ.get("OMP_NUM_THREADS")
        if found != self._ours:
            self._value = found
        return self._value

    def set(self, threads: int) -> None:
        """Set it for torch, which reads it when it is imported."""
        self._ours = os.environ["OMP_NUM_THREADS"] = str(threads)


_user_threads = _UserThreads()


def run_cell(job: Job, record: Record, reporter: Reporter, elapsed: Callable[[], float]) -> Later | None:
    """Run a cell and note how it ends; returns what is to be measured once the result is stored.

    elapsed: seconds since the start of the cell. Raises what nobody foresaw, and what shows that the disk is full.
    """
    try:
        return _stages(job, record, reporter, elapsed)
    except Exception as error:
        known = foreseen(error, job.folder)
        if known is None:
            raise
        record.failed(*known)
    return None


def _stages(job: Job, record: Record, reporter: Reporter, elapsed: Callable[[], float]) -> Later | None:
    """The stages, in order; each hands in its seconds, so that a failure keeps those before."""
    threads = cell_threads(job.cell.train.threads, _user_threads.value)
    _user_threads.set(threads.count)
    record.add(Memory(interpreter_mib=resident_mib()))
    from bench.execution.worker import pipeline

    record.add(Timings(import_seconds=elapsed()))
    return pipeline.run(job, threads, record, reporter)
