"""A cell's process as its parent sees it: below a supervisor on Linux, the parent's own child elsewhere."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from bench.execution.process.tree import born, descendants

__all__ = ["Process", "start"]

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_PATIENCE = 15.0
"""Seconds within which a supervisor that was told to kill all has done so."""


class Process(Protocol):
    """A cell's process, with the times that only its parent knows."""

    pid: int
    started: float
    """Seconds of `time.monotonic` just before it was started."""
    ended: float | None
    """Seconds of `time.monotonic` at its end; None before `reap`."""

    def wait(self, seconds: float) -> bool:
        """Sleep until it ends or the time is over; True when it ended."""
        ...

    def ask(self) -> None:
        """Ask it and its process group to end."""
        ...

    def reap(self) -> int:
        """Kill what is left of it and of all that it started; returns its exit code, negative for a signal."""
        ...

    def processes(self) -> list[int]:
        """Itself, and all that it has started."""
        ...


def start(command: Sequence[str], log: BinaryIO, env: Mapping[str, str]) -> Process:
    """Start a command; its parent's process id and the time of its start come last. Raises OSError."""
    return (_Supervised if sys.platform.startswith("linux") else _Direct)(command, log, env)


class _Supervised:
    """Below `bench.execution.process.supervisor`, which reports its start and its end."""

    def __init__(self, command: Sequence[str], log: BinaryIO, env: Mapping[str, str]) -> None:
        self._report, write = os.pipe()
        self._text = b""
        self._seen: dict[int, float] = {}  # process ids with the times of their starts
        self.ended: float | None = None
        try:
            words = [sys.executable, "-I", "-S", str(_SUPERVISOR), str(os.getpid()), str(write), *command]
            self._supervisor = _popen(words, log, env, pass_fds=(write,))
        except OSError:
            os.close(self._report)
            raise
        finally:
            os.close(write)
        first, second = self._line()
        if first == "error":
            self._supervisor.wait()
            os.close(self._report)
            raise OSError(second)
        self.pid, self.started = int(first), float(second)

    def _line(self) -> tuple[str, str]:
        """The next line of the report: a word, and the rest."""
        while b"\n" not in self._text:
            more = os.read(self._report, 1000)
            if not more:
                return "error", "its supervisor was killed"
            self._text += more
        line, _, self._text = self._text.partition(b"\n")
        first, _, rest = line.decode().partition(" ")
        return first, rest

    def wait(self, seconds: float) -> bool:
        """See `Process`. It has ended when all that it started has, too.

        A supervisor that somebody has stopped is woken: it would miss the end.
        """
        self._supervisor.send_signal(signal.SIGCONT)
        poll = select.poll()
        poll.register(self._report, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def ask(self) -> None:
        """See `Process`."""
        self._supervisor.send_signal(signal.SIGTERM)

    def reap(self) -> int:
        """See `Process`."""
        if not self.wait(0):
            self._supervisor.send_signal(signal.SIGUSR1)
            self._supervisor.send_signal(signal.SIGCONT)
            if not self.wait(_PATIENCE):
                self._supervisor.kill()
        first, rest = self._line()
        self._supervisor.wait()
        os.close(self._report)
        if first == "error":
            self._end_seen()
            self.ended = time.monotonic()
            return -signal.SIGKILL
        self.ended = float(rest)
        return int(first)

    def processes(self) -> list[int]:
        """See `Process`."""
        found = [self.pid, *(pid for pid in descendants(self._supervisor.pid)[1:] if pid != self.pid)]
        self._seen = {pid: self._seen.get(pid) or born(pid) for pid in found}
        return found

    def _end_seen(self) -> None:
        """Kill what was there when it was last looked at: the supervisor was killed, and its orphans are init's."""
        for pid, start in self._seen.items():
            if start and born(pid) == start:  # and not another that was given its number
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


class _Direct:
    """A child of this process, where there is no way to adopt what it leaves behind."""

    def __init__(self, command: Sequence[str], log: BinaryIO, env: Mapping[str, str]) -> None:
        self.started = time.monotonic()
        self.ended: float | None = None
        self._process = _popen([*command, str(os.getpid()), repr(self.started)], log, env)
        self.pid = self._process.pid

    def wait(self, seconds: float) -> bool:
        """See `Process`."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, seconds))
            return True
        return False

    def ask(self) -> None:
        """See `Process`."""
        self._signal(signal.SIGTERM)

    def reap(self) -> int:
        """See `Process`."""
        self._signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        code = self._process.wait()
        self.ended = time.monotonic()
        return code

    def processes(self) -> list[int]:
        """See `Process`."""
        return descendants(self.pid)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, number)
            elif self._process.poll() is None:
                self._process.send_signal(number)


def _popen(
    words: Sequence[str], log: BinaryIO, env: Mapping[str, str], pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(words),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a process group of its own: Ctrl-C reaches the parent alone
        pass_fds=pass_fds,
        env=dict(env),
    )
