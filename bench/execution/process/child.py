"""One child process: its output goes to a file, it is waited for asleep, and ended with all that it started."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.errors import RunError
from bench.execution.process.supervised import start
from bench.execution.process.tree import MARK, end_marked
from bench.measure.system.process_env import HUGE_PAGES, SAFE_PATH

__all__ = ["LOG_BYTES", "Child"]

LOG_BYTES = 8 * 2**20
"""A log that grows past this is cut to its first and its last mebibyte."""

_KEPT = 2**20


class Child:
    """A running child; `wait` for it, then `end` it in any case."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """Start the command with its output in the folder's log.txt; its parent's id and its start are its last words.

        Raises `RunError` when it cannot be started.
        """
        self._folder = folder
        self._log = folder / "log.txt"
        try:
            self._log.unlink(missing_ok=True)
            with self._log.open("ab") as log:  # for appending, so that the file can be cut while it is written
                env = {**HUGE_PAGES, **os.environ, **SAFE_PATH, "PYTHONUNBUFFERED": "1", MARK: str(folder)}
                self._process = start(command, log, env)
        except OSError as error:
            raise RunError(
                f"cannot start a process for {folder}: {error.strerror or error}. What was stored before is intact; "
                f"free what is short, then run the same command again."
            ) from error

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def started(self) -> float:
        """Just before the child was started, seconds of `time.monotonic`."""
        return self._process.started

    @property
    def ended(self) -> float:
        """When the child ended, which may be long before that was seen; now while it runs."""
        return time.monotonic() if self._process.ended is None else self._process.ended

    def processes(self) -> list[int]:
        """The child, and all that it has started."""
        return self._process.processes()

    def wait(self, seconds: float) -> bool:
        """Sleep until the child ends or the time is over; True when it ended."""
        return self._process.wait(seconds)

    def end(self, grace: float, signals: Sequence[int] = ()) -> int:
        """End what is left of it and of all that it started: first asked to, then made to. Returns its exit code.

        grace: seconds between SIGTERM and SIGKILL. signals: those held back meanwhile; a further one ends the grace.
        """
        known, deadline = len(signals), time.monotonic() + grace
        if not self.wait(0):
            self._process.ask()
            while len(signals) == known and (left := deadline - time.monotonic()) > 0 and not self.wait(min(left, 0.1)):
                continue
        code = self._process.reap()
        end_marked(str(self._folder))
        self.trim_log(final=True)
        return code

    def trim_log(self, *, final: bool = False) -> None:
        """Cut a log that has grown too large to its beginning and its end.

        The child writes on meanwhile, at the end of the file wherever that is; at most a few of its lines get lost.
        """
        with suppress(OSError):
            size = self._log.stat().st_size
            if size <= (2 * _KEPT + 200 if final else LOG_BYTES):
                return
            with self._log.open("r+b") as file:
                file.seek(-_KEPT, os.SEEK_END)
                tail = file.read(_KEPT).decode("utf-8", errors="ignore")  # the cut may go through a character
                file.truncate(_KEPT)
            with self._log.open("ab") as file:
                file.write(f"\n[... cut here: it printed too much ...]\n{tail}".encode())
