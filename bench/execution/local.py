"""Run a cell in a child process on this machine, watch it from outside, and always come back with a result.

The parent sleeps while the child is measured: ten times a second it wakes to look at memory and to compare with the
limits, and when the child ends.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.errors import RunError
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import DISK_EXIT, Outcome, read_outcome, read_so_far
from bench.execution.process.cgroup import MemoryGroup
from bench.execution.process.child import Child
from bench.execution.process.exit_status import ExitInfo, classify_exit, log_tail, signal_name
from bench.execution.process.tree import descendants, end_marked
from bench.measure.latency import summary_metrics
from bench.measure.memory import APART, START
from bench.measure.monitor import Monitor
from bench.results.files import write_atomic
from bench.results.schema import CellResult, Status, Timings
from bench.study.schema import Budget

__all__ = ["CHILD", "run_cell"]

CHILD = (sys.executable, "-P", "-m", "bench.execution.worker.main")
"""The child's command line; the path of its job file comes last."""

_GRACE_SECONDS = 5.0
_SHORT_GRACE_SECONDS = 0.5
"""Between SIGTERM and SIGKILL; the short one where memory runs out meanwhile."""
_PAUSE = 0.1
_LEFT_BY_A_CHILD = (
    *("outcome.json", "history.jsonl", "progress.json"),
    *("probabilities.npy", "predictions.parquet", "validation.npy", "steps.npy", "model.safetensors"),
)
_SIGKILL = 9  # Windows has no name for it
_TOLD_EVERY = 0.5

Tick = Callable[[dict[str, Any]], None]
"""Called while a cell runs with what its progress.json says."""


@dataclass
class _Progress:
    """What the child says of itself in progress.json, read again only when it has changed."""

    path: Path
    facts: dict[str, Any] = field(default_factory=dict)
    _stamp: tuple[int, int] = (0, 0)

    def read(self) -> dict[str, Any]:
        """The last that could be read; empty before there is anything."""
        try:
            state = self.path.stat()
            stamp = (state.st_mtime_ns, state.st_ino)
            if stamp != self._stamp:
                loaded = json.loads(self.path.read_text(encoding="utf-8"))
                self._stamp = stamp
                self.facts = loaded if isinstance(loaded, dict) else {}
        except (OSError, ValueError):
            return self.facts
        return self.facts

    @property
    def phase(self) -> str:
        """What the child is doing; `START` before it has said anything."""
        return str(self.read().get("phase", START))


def run_cell(
    job: Job, budget: Budget, *, on_tick: Tick, price: float | None = None, command: Sequence[str] | None = None
) -> CellResult:
    """Run one cell and return its result, whatever became of the child.

    command: the child's command line in place of `CHILD`. Raises `KeyboardInterrupt` again after the child has been
    ended, with the result as its only argument; `RunError` when the run folder cannot be written any more.
    """
    _clear(job.folder)
    begun = datetime.now(UTC)
    kills = _oom_kills()
    watch = Monitor(job.cell.device)
    child = _start(job, command or CHILD)
    watch.follow(lambda: descendants(child.pid))
    ending, interrupted = ExitInfo(), False
    group = _limit_by_kernel(job, budget, child.pid)
    try:
        _watch(child, watch, budget, job.folder, on_tick, ending, group)
    except KeyboardInterrupt:
        interrupted = True
        ending.limit, ending.why = Status.INTERRUPTED, "stopped by the user; run the same command again to go on"
    finally:
        ending.phase = _Progress(job.folder / "progress.json").phase
        ending.code = child.end(_SHORT_GRACE_SECONDS if ending.limit is Status.OUT_OF_MEMORY else _GRACE_SECONDS)
        ending.seconds = time.monotonic() - child.started
        watch.close()
        if group is not None:
            if ending.limit is None and group.kills():
                ending.limit, ending.why = Status.OUT_OF_MEMORY, f"ended by the kernel at {_limit_text(budget)}"
            group.close()
    ending.killed_by_kernel = ending.code == -_SIGKILL and _oom_kills() > kills
    if ending.code == DISK_EXIT and ending.limit is None:
        raise RunError(
            f"{job.cell.title} could not write its files ({log_tail(job.folder)[-1000:] or job.folder}). What was "
            f"stored before is intact; make room, then run the same command again."
        )
    result = _result(job, watch, ending, begun, price)
    for used in ("outcome.json", "progress.json", "job.json"):
        (job.folder / used).unlink(missing_ok=True)
    if interrupted or child.interrupted:
        raise KeyboardInterrupt(result)
    return result


def _clear(folder: Path) -> None:
    """Make a cell's folder ready: end what an earlier, killed run may have left running there, remove its files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "job.json").exists():
            end_marked(str(folder))
        for stale in _LEFT_BY_A_CHILD:
            (folder / stale).unlink(missing_ok=True)
        for torn in folder.glob(".*.*"):  # what `write_atomic` had not renamed yet
            torn.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot write {folder}: {error.strerror or error}. What was stored before is intact; "
            f"give a folder that can be written (--out), then run the same command again."
        ) from error


def _start(job: Job, command: Sequence[str]) -> Child:
    """Start the child; its import time counts from just before."""
    path = job.folder / "job.json"
    started = job.model_copy(update={"started": time.monotonic(), "parent": os.getpid()})
    write_atomic(path, started.model_dump_json())
    return Child([*command, str(path)], job.folder)


def _limit_by_kernel(job: Job, budget: Budget, pid: int) -> MemoryGroup | None:
    if budget.memory_limit is None:
        return None
    group = MemoryGroup.open(int(budget.memory_limit), job.cell.id)
    if group is not None and not group.take(pid):
        group.close()
        return None
    return group


def _limit_text(budget: Budget) -> str:
    return f"the study's memory_limit of {int(budget.memory_limit or 0) / 2**20:,.0f} MiB"


def _watch(
    child: Child,
    watch: Monitor,
    budget: Budget,
    folder: Path,
    on_tick: Tick,
    ending: ExitInfo,
    group: MemoryGroup | None,
) -> None:
    """Sleep, sample and compare with the limits until the child ends or has to be ended."""
    deadline = None if budget.time_limit is None else child.started + budget.time_limit
    limit_mib = None if budget.memory_limit is None else int(budget.memory_limit) / 2**20
    progress, told = _Progress(folder / "progress.json"), 0.0
    pause = _PAUSE / 5  # the first looks follow each other closely: a trivial cell is over soon
    while not child.wait(pause if deadline is None else min(pause, deadline - time.monotonic())):
        used = watch.poll(progress.phase, limit_mib)
        now = time.monotonic()
        if limit_mib is not None and used is not None and used > limit_mib:
            ending.limit = Status.OUT_OF_MEMORY
            ending.why = f"used {used:,.0f} MiB of memory, above {_limit_text(budget)}"
            return
        if group is not None and group.kills():
            return  # a worker it was, and the child may wait for it for ever
        if deadline is not None and now >= deadline:
            ending.limit = Status.TIMEOUT
            ending.why = f"not done after the study's time_limit of {budget.time_limit:,.6g} s"
            return
        if now - told >= _TOLD_EVERY:
            told = now
            child.trim_log()
            on_tick(dict(progress.facts))
        pause = _PAUSE


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot; 0 where it does not tell."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _result(job: Job, watch: Monitor, ending: ExitInfo, begun: datetime, price: float | None) -> CellResult:
    left = read_outcome(job.folder)
    status, error = classify_exit(job.folder, ending, left)
    known = left if isinstance(left, Outcome) else read_so_far(job.folder, status)
    done = status is Status.OK
    context = {**known.context, "during": watch.during()}
    if done and ending.code:
        context["exit"] = _late_ending(ending)
    return CellResult(
        id=job.cell.id,
        cell=job.cell.model_dump(mode="json"),
        label=job.cell.label,
        status=status,
        error=error,
        metrics=known.metrics if done else {},
        confusion=known.confusion if done else (),
        best_epoch=known.best_epoch,
        epochs=known.epochs or _finished_epochs(job.folder),
        timings=_timings(known, ending),
        memory=watch.memory(known.memory),
        energy=watch.energy(),
        model=known.model,
        inference=summary_metrics(known.profiles),
        profiles=known.profiles,
        price_per_hour=price,
        context=context,
        settings=known.settings,
        started=begun.isoformat(timespec="milliseconds"),
        finished=(begun + timedelta(seconds=ending.seconds)).isoformat(timespec="milliseconds"),
    )


def _timings(known: Outcome, ending: ExitInfo) -> Timings:
    """The child's phases and the whole; an inference profile after the result is told apart."""
    if known.ended_after is None or ending.phase != APART:
        return known.timings.model_copy(update={"total_seconds": ending.seconds})
    profiling = ending.seconds - known.ended_after
    return known.timings.model_copy(update={"total_seconds": known.ended_after, "inference_seconds": profiling})


def _late_ending(ending: ExitInfo) -> str:
    if ending.limit is not None:
        return f"the inference profile was cut short: {ending.why}"
    how = signal_name(-ending.code) if ending.code is not None and ending.code < 0 else f"code {ending.code}"
    where = "in the inference profile, " if ending.phase == APART else ""
    return f"its process ended by {how} {where}after the result was written"


def _finished_epochs(folder: Path) -> int:
    path = folder / "history.jsonl"
    return path.read_text(encoding="utf-8", errors="replace").count("\n") if path.is_file() else 0
