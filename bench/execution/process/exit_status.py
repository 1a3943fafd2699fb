"""How a cell ended, from what its child left and from what was seen from outside."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from pathlib import Path

from bench.execution.messages.outcome import BROKEN, Outcome
from bench.measure.memory import APART, START
from bench.measure.system.cgroups import OomKills, oom_kills
from bench.results.notice import Notice, verbatim
from bench.results.schema import Failure, Status
from bench.signals import ENDING, signal_name

__all__ = ["ExitInfo", "classify_exit", "interruption", "late_notice", "log_tail"]

_TAIL = 4000
_SIGKILL = 9  # Windows has no name for it
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*): (.*)", re.DOTALL)


@dataclass
class ExitInfo:
    """How the child ended, as seen from outside."""

    code: int | None = None
    limit: Status | None = None
    """Set when it was ended by patchbench: `TIMEOUT`, `OUT_OF_MEMORY` or `INTERRUPTED`."""
    why: Notice | None = None
    """Set with ``limit``."""
    signal: int | None = None
    """Set with `INTERRUPTED`: what this process was sent."""
    seconds: float = 0.0
    phase: str = START
    """What the child was doing."""
    killed_by_kernel: bool = False
    """Whether it ended by SIGKILL, and the kernel killed a process of its control group for want of memory."""
    others_killed: int = 0
    """Where it is not known of which group they were: processes that the kernel killed so while it ran."""
    oom_before: OomKills = field(default_factory=lambda: oom_kills())

    def interrupt(self, number: int) -> None:
        """Note that patchbench ends it because a signal asked patchbench to end."""
        self.limit, self.why, self.signal = Status.INTERRUPTED, interruption(number), number

    def note_oom_kills(self) -> None:
        """Note what the kernel has killed for want of memory since this was made, if the child ended by SIGKILL."""
        if self.code == -_SIGKILL:
            now = oom_kills()
            self.killed_by_kernel = now.own > self.oom_before.own
            self.others_killed = 0 if now.are_told_apart else now.machine - self.oom_before.machine


def classify_exit(folder: Path, exit_info: ExitInfo, outcome: Outcome | str | None) -> tuple[Status, Failure | None]:
    """The status, and the reason where it is not ok.

    outcome: see `read_outcome`. A limit counts before what the child wrote, except in the inference profile: the
    result is whole by then, and what is lost is a larger batch. A whole outcome counts before how the process ended
    after it.
    """
    tail = log_tail(folder)
    whole = isinstance(outcome, Outcome) and exit_info.phase == APART
    if exit_info.limit is not None and exit_info.why is not None and not whole:
        return exit_info.limit, Failure(
            kind=exit_info.limit.value.replace("_", " "), notice=exit_info.why, log_tail=tail
        )
    if isinstance(outcome, Outcome):
        error = outcome.error
        return outcome.status, None if error is None else error.model_copy(update={"log_tail": tail})
    if exit_info.killed_by_kernel:
        notice = Notice.of("killed_by_kernel")
        return Status.OUT_OF_MEMORY, Failure(kind="SIGKILL", notice=notice, log_tail=tail)
    if isinstance(outcome, str):
        notice = Notice.of("broken_outcome", reason=outcome)
        return Status.FAILED, Failure(kind=BROKEN, notice=notice, log_tail=tail)
    if exit_info.code is not None and -exit_info.code in ENDING:  # a cluster, a container or a person ended it
        name = signal_name(-exit_info.code)
        return Status.INTERRUPTED, Failure(
            kind=name, notice=Notice.of("ended_from_outside", signal=name), log_tail=tail
        )
    if exit_info.others_killed > 0:
        notice = Notice.of("killed_while_short", count=exit_info.others_killed)
        return Status.FAILED, Failure(kind="SIGKILL", notice=notice, log_tail=tail)
    return Status.FAILED, _unforeseen(exit_info.code, tail)


def _unforeseen(code: int | None, tail: str) -> Failure:
    if code is not None and code < 0:
        return Failure(kind=signal_name(-code), notice=_ended_by(code), log_tail=tail)
    if code == 0:
        return Failure(kind="no result", notice=Notice.of("no_result"), log_tail=tail)
    if not tail:
        return Failure(kind=f"exit code {code}", notice=_ended_by(code), log_tail=tail)
    last = tail.splitlines()[-1]
    kind, notice = last.split(":")[0].rpartition(".")[2][:60], verbatim(last[:500])
    if raised := _EXCEPTION.fullmatch(last):
        notice = Notice.of("exception", kind=kind, text=raised[2][:500])
    return Failure(kind=kind, notice=notice, log_tail=tail)


def _ended_by(code: int | None) -> Notice:
    if code is not None and code < 0:
        return Notice.of("killed_by_signal", signal=signal_name(-code))
    return Notice.of("exit_code", code=-1 if code is None else code)


def late_notice(exit_info: ExitInfo) -> Notice | None:
    """What went wrong with the process after its result was stored; None when nothing did."""
    if not exit_info.code:
        return None
    if exit_info.limit is not None and exit_info.why is not None:
        return Notice.of("profile_cut_short", reason=exit_info.why)
    how = _ended_by(exit_info.code)
    if exit_info.phase == APART:
        return Notice.of("failed_in_profile", how=how)
    return Notice.of("failed_after_result", how=how)


def log_tail(folder: Path) -> str:
    """The end of what the child printed; at most 4,000 characters."""
    path = folder / "log.txt"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode("utf-8", errors="replace").strip()
    except OSError:
        return ""


def interruption(number: int) -> Notice:
    """Why a cell was ended when this process was sent a signal."""
    if number == signal.SIGINT:
        return Notice.of("interrupted")
    return Notice.of("interrupted_by", signal=signal_name(number))
