"""One cell in this process, from the import of torch to its result, whichever executor has started it."""

from __future__ import annotations

import os
from collections.abc import Callable

from bench.execution.messages.job import Job
from bench.execution.worker.endings import foreseen
from bench.execution.worker.progress import Reporter
from bench.execution.worker.record import Later, Record
from bench.measure.proc_status import resident_mib
from bench.measure.system.environment import usable_cores
from bench.results.schema import Memory, Timings

__all__ = ["run_cell"]


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
    threads = job.cell.train.threads or usable_cores()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is imported
    record.add(Memory(interpreter_mib=resident_mib()))
    from bench.execution.worker import pipeline

    record.add(Timings(import_seconds=elapsed()))
    return pipeline.run(job, threads, record, reporter)
