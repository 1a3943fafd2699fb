"""Run a cell in a child process on this machine, watch it from outside, and always come back with a result.

The parent sleeps while the child is measured: ten times a second it wakes to poll memory and to compare with the
limits, and when the child ends.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar

from bench.execution.cell_folder import clear_folder, finished_epochs, remove_torn, unwritable
from bench.execution.cell_result import Surroundings, make_result
from bench.execution.executor import CellInterrupted
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import DISK_EXIT, Outcome, read_outcome
from bench.execution.messages.progress import Progress, ProgressFile
from bench.execution.process.cgroup import MemoryGroup
from bench.execution.process.child import Child
from bench.execution.process.exit_status import ExitInfo, classify_exit, late_notice, log_tail
from bench.measure.memory import APART
from bench.measure.monitor import Monitor
from bench.results.files import write_atomic
from bench.results.notice import Notice
from bench.results.schema import CellResult, Status, Timings
from bench.results.settings import CellContext
from bench.signals import deferred, signal_of
from bench.study.schema import Budget

__all__ = ["CHILD", "LocalExecutor"]

CHILD = (sys.executable, "-P", "-m", "bench.execution.worker.main")
"""The child's command line; its job file, its parent's process id and the time on the steady clock come last."""

_GRACE_SECONDS = 5.0
_SHORT_GRACE_SECONDS = 0.5
"""Between SIGTERM and SIGKILL; the short one where memory runs out meanwhile."""
_PAUSE = 0.1
_REPORTED_EVERY = 0.5


class LocalExecutor:
    """A child process of this one, on this machine, measured from outside."""

    interactive: ClassVar[bool] = False

    def __init__(self, command: Sequence[str] | None = None) -> None:
        """command: the child's command line in place of `CHILD`."""
        self._command = command

    def run(
        self,
        job: Job,
        budget: Budget,
        *,
        on_progress: Callable[[Progress], None],
        price_per_hour: float | None = None,
    ) -> CellResult:
        """See `bench.execution.executor.Executor`."""
        result: CellResult | None = None
        exit_info = ExitInfo()
        try:
            with deferred() as signals:  # so that a child that was started is ended, and its result known
                result = self._run(job, budget, exit_info, signals, on_progress, price_per_hour)
        except KeyboardInterrupt as stop:  # at the end of the block
            exit_info.signal = signal_of(stop)
            if result is None:
                raise
        if exit_info.signal is not None:
            raise CellInterrupted(result, exit_info.signal)
        return result

    def _run(
        self,
        job: Job,
        budget: Budget,
        exit_info: ExitInfo,
        signals: Sequence[int],
        on_progress: Callable[[Progress], None],
        price_per_hour: float | None,
    ) -> CellResult:
        clear_folder(job.folder)
        began = datetime.now(UTC)
        monitor = Monitor(job.cell.device)
        child = _start(job, self._command or CHILD)
        monitor.follow(child.processes)
        _wait(child, monitor, job, budget, exit_info, signals, on_progress)
        with suppress(OSError):
            remove_torn(job.folder)
        exit_info.note_oom_kills()
        if exit_info.code == DISK_EXIT and exit_info.limit is None:
            raise unwritable(job.cell.title, job.folder, log_tail(job.folder).rpartition("\n")[2][-500:])
        result = _result(job, monitor, exit_info, began, price_per_hour)
        for used in ("outcome.json", "progress.json", "job.json"):
            (job.folder / used).unlink(missing_ok=True)
        return result


def _start(job: Job, command: Sequence[str]) -> Child:
    """Start the child; its import time counts from just before."""
    path = job.folder / "job.json"
    write_atomic(path, job.model_dump_json())
    return Child([*command, str(path)], job.folder)


def _wait(
    child: Child,
    monitor: Monitor,
    job: Job,
    budget: Budget,
    exit_info: ExitInfo,
    signals: Sequence[int],
    on_progress: Callable[[Progress], None],
) -> None:
    """Wait until the child ends or has to be ended, and end all that it started."""
    progress = ProgressFile(job.folder / "progress.json")
    group = _limit_by_kernel(job, budget, child.pid)
    try:
        _watch(child, monitor, budget, progress, on_progress, exit_info, group, signals)
    except KeyboardInterrupt as stop:  # from elsewhere than a signal: a thread, or what was called
        exit_info.interrupt(signal_of(stop))
    finally:
        seen, exit_info.phase = time.monotonic(), progress.read().phase
        grace = _SHORT_GRACE_SECONDS if exit_info.limit is Status.OUT_OF_MEMORY else _GRACE_SECONDS
        exit_info.code = child.end(grace, signals)
        exit_info.seconds = child.ended - child.started
        _settle_time_limit(exit_info, budget)
        monitor.close(child.ended, seen)
        if group is not None:
            if exit_info.limit is None and group.kills():
                exit_info.limit = Status.OUT_OF_MEMORY
                exit_info.why = Notice.of("memory_limit_by_kernel", mib=int(budget.memory_limit or 0) / 2**20)
            group.close()


def _settle_time_limit(exit_info: ExitInfo, budget: Budget) -> None:
    """Decide by the child's own end: this process may have been stopped, and have seen it late."""
    late = budget.time_limit is not None and exit_info.seconds > budget.time_limit
    if late and exit_info.limit is None:
        exit_info.limit = Status.TIMEOUT
        exit_info.why = Notice.of("time_limit", seconds=float(budget.time_limit or 0.0))
    elif not late and exit_info.limit is Status.TIMEOUT:
        exit_info.limit = exit_info.why = None


def _limit_by_kernel(job: Job, budget: Budget, pid: int) -> MemoryGroup | None:
    if budget.memory_limit is None:
        return None
    group = MemoryGroup.open(int(budget.memory_limit), job.cell.id)
    if group is not None and not group.take(pid):
        group.close()
        return None
    return group


def _watch(
    child: Child,
    monitor: Monitor,
    budget: Budget,
    progress: ProgressFile,
    on_progress: Callable[[Progress], None],
    exit_info: ExitInfo,
    group: MemoryGroup | None,
    signals: Sequence[int],
) -> None:
    """Sleep, sample and compare with the limits until the child ends or has to be ended."""
    deadline = None if budget.time_limit is None else child.started + budget.time_limit
    limit_mib = None if budget.memory_limit is None else int(budget.memory_limit) / 2**20
    reported = 0.0
    pause = _PAUSE / 5  # the first polls follow each other closely: a trivial cell is over soon
    while not child.wait(pause if deadline is None else min(pause, deadline - time.monotonic())):
        if signals:
            exit_info.interrupt(signals[0])
            return
        used = monitor.poll(progress.read().phase, limit_mib)
        now = time.monotonic()
        if limit_mib is not None and used is not None and used > limit_mib:
            exit_info.limit = Status.OUT_OF_MEMORY
            exit_info.why = Notice.of("memory_limit", mib=limit_mib, used=used)
            return
        if group is not None and group.kills():
            return  # a worker it was, and the child may wait for it for ever
        if deadline is not None and now >= deadline:
            exit_info.limit = Status.TIMEOUT
            exit_info.why = Notice.of("time_limit", seconds=float(budget.time_limit or 0.0))
            return
        if now - reported >= _REPORTED_EVERY:
            reported = now
            child.trim_log()
            on_progress(progress.last)
        pause = _PAUSE


def _result(job: Job, monitor: Monitor, exit_info: ExitInfo, began: datetime, price: float | None) -> CellResult:
    left = read_outcome(job.folder)
    status, error = classify_exit(job.folder, exit_info, left)
    known = left if isinstance(left, Outcome) else ProgressFile(job.folder / "progress.json").so_far(status)
    late = (late_notice(exit_info),) if status is Status.OK else ()
    around = Surroundings(
        began=began,
        seconds=exit_info.seconds,
        price_per_hour=price,
        timings=_timings(known, exit_info),
        memory=monitor.memory(known.memory),
        energy=monitor.energy(),
        context=_context(known.context, monitor, (*monitor.notices(), *late)),
    )
    return make_result(job, known, status, error, known.epochs or finished_epochs(job.folder), around)


def _context(inside: CellContext, monitor: Monitor, seen: Sequence[Notice | None]) -> CellContext:
    notices = (*inside.notices, *(notice for notice in seen if notice is not None))
    return inside.model_copy(update={"system_load": monitor.system_load(), "notices": notices, "executor": "local"})


def _timings(known: Outcome, exit_info: ExitInfo) -> Timings:
    """The child's phases and the whole; an inference profile after the result counts apart."""
    if known.ended_after is None or exit_info.phase != APART:
        return known.timings.model_copy(update={"total_seconds": exit_info.seconds})
    profiling = exit_info.seconds - known.ended_after
    return known.timings.model_copy(update={"total_seconds": known.ended_after, "inference_seconds": profiling})
