"""The process between patchbench and a cell's: it adopts what wanders off, and knows when the cell ended.

    python -I -S supervisor.py PARENT REPORT COMMAND...

It starts COMMAND, with its own process id and the time of `time.monotonic` as last words, in a session of its own, and
writes two lines to the file descriptor REPORT: the cell's process id and the time of its start, then its exit code
(negative for a signal) and the time of its end. So both times are right even when patchbench itself is stopped.

As a subreaper it becomes the parent of every orphan below it, whatever that did to its session or environment; none
outlives the cell. SIGTERM asks the cell to end, SIGUSR1 kills all, and so does the end of patchbench, the process
PARENT. Linux only. It imports nothing of this project: it starts in some 20 ms and sleeps from then on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_HEARD = {signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGHUP, signal.SIGINT}
_PATIENCE = 10.0
"""Seconds after which it no longer waits for processes that were killed and do not go (a dead network mount)."""


def main(arguments: list[str]) -> int:
    parent, report, *command = arguments
    control = ctypes.CDLL(None, use_errno=True).prctl
    control(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    control(_PR_SET_PDEATHSIG, int(signal.SIGUSR1), 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before the call above
        return 1
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    os.set_inheritable(int(report), False)
    started = time.monotonic()
    words = [*command, str(os.getpid()), repr(started)]
    try:
        pid = os.posix_spawnp(
            words[0], words, os.environ, setsid=True, setsigmask=(), setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
        )
    except OSError as error:
        _write(int(report), f"error {error.strerror or error}")
        return 1
    _write(int(report), f"{pid} {started!r}")
    code, ended = _wait(pid)
    _end_all()
    _write(int(report), f"{code} {ended!r}")
    return 0


def _write(report: int, line: str) -> None:
    with suppress(BrokenPipeError):  # patchbench has been killed
        os.write(report, f"{line}\n".encode(errors="replace"))


def _wait(cell: int) -> tuple[int, float]:
    """Wait for the cell, pass on what is asked of it, and reap orphans meanwhile; its exit code, and when it ended."""
    while True:
        number = signal.sigwait(_HEARD)
        if number == signal.SIGTERM:
            with suppress(ProcessLookupError):
                os.killpg(cell, signal.SIGTERM)
        elif number == signal.SIGUSR1:
            for pid in _below(os.getpid()):
                _kill(pid)
        elif number == signal.SIGCHLD:
            while True:
                try:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if pid == cell:
                    return os.waitstatus_to_exitcode(status), time.monotonic()
                if pid == 0:
                    break


def _end_all() -> None:
    """Kill everything that is left below, also what is forked meanwhile, and wait for it."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for pid in _below(os.getpid()):
            _kill(pid)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        time.sleep(0.002)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _below(pid: int) -> list[int]:
    """All that a process has started and that is still below it, the ended that nobody has waited for left out."""
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    return [*found, *(one for child in found for one in _below(child))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
