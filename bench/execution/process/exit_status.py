"""How a cell ended, from what its child left and from what was seen from outside."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from bench.execution.messages.outcome import BROKEN, Outcome
from bench.measure.memory import APART, START
from bench.results.schema import Failure, Status

__all__ = ["ExitInfo", "classify_exit", "log_tail", "signal_name"]

_TAIL = 4000


@dataclass
class ExitInfo:
    """How the child ended, as seen from outside."""

    code: int | None = None
    limit: Status | None = None
    """Set when it was ended by patchbench: `TIMEOUT`, `OUT_OF_MEMORY` or `INTERRUPTED`."""
    why: str = ""
    seconds: float = 0.0
    phase: str = START
    """What the child was doing."""
    killed_by_kernel: bool = False
    """Whether the kernel killed a process for want of memory while it ran, and it ended by SIGKILL."""


def classify_exit(folder: Path, ending: ExitInfo, outcome: Outcome | str | None) -> tuple[Status, Failure | None]:
    """The status, and the reason where it is not ok.

    outcome: see `read_outcome`. A limit counts before what the child wrote, except in the inference profile: the
    result is whole by then, and what is lost is a larger batch. A whole outcome counts before how the process ended
    after it.
    """
    tail = log_tail(folder)
    whole = isinstance(outcome, Outcome) and ending.phase == APART
    if ending.limit is not None and not whole:
        return ending.limit, Failure(kind=ending.limit.value.replace("_", " "), message=ending.why, log_tail=tail)
    if isinstance(outcome, Outcome):
        if outcome.error is None:
            return outcome.status, None
        return outcome.status, Failure(kind=outcome.error.kind, message=outcome.error.message, log_tail=tail)
    if ending.killed_by_kernel:
        message = "the kernel killed it because memory had run out"
        return Status.OUT_OF_MEMORY, Failure(kind="SIGKILL", message=message, log_tail=tail)
    if isinstance(outcome, str):
        return Status.FAILED, Failure(kind=BROKEN, message=outcome, log_tail=tail)
    return Status.FAILED, _unforeseen(ending.code, tail)


def _unforeseen(code: int | None, tail: str) -> Failure:
    if code is not None and code < 0:
        name = signal_name(-code)
        return Failure(kind=name, message=f"its process was ended by {name}", log_tail=tail)
    if code == 0:
        message = "its process ended without an error and left no result"
        return Failure(kind="no result", message=message, log_tail=tail)
    last = tail.splitlines()[-1] if tail else f"its process ended with code {code} and left no result"
    kind = last.split(":")[0].rpartition(".")[2][:60] if tail else f"exit code {code}"
    return Failure(kind=kind, message=last[:500], log_tail=tail)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; ``signal 34`` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def log_tail(folder: Path) -> str:
    """The end of what the child printed; at most 4,000 characters."""
    path = folder / "log.txt"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode("utf-8", errors="replace").strip()
    except OSError:
        return ""
