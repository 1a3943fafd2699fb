"""Watches a fuzzing process from outside: what it raises, how long an input takes, and how much memory it fills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Campaign", "Fault"]

MOST_MIB = 1024.0
"""The memory of the process, with all that it has imported."""
_HANGS_AFTER = 60.0
"""Seconds of CPU time that one input may take: far beyond any honest one, also on a busy machine."""
_ASLEEP_AFTER = 300.0
"""Seconds that one input may take by the clock: a process that waits for ever uses no CPU time."""


@dataclass(frozen=True)
class Fault:
    """What went wrong, and the input that did it."""

    reason: str
    path: Path

    def __str__(self) -> str:
        return f"{self.reason}\nThe input: {self.path}. Mend the fault, then copy it into tests/fuzz/corpus."


class Campaign:
    """One target that is fuzzed in a process of its own."""

    def __init__(
        self, name: str, seconds: float, seed: int, folder: Path, command: Sequence[str] | None = None
    ) -> None:
        """folder: keeps the input under way, for it to be seen after a fault. command: in place of the campaign's."""
        self.name, self.folder = name, folder
        self.peak_mib = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log.txt"
        command = command or (
            *(sys.executable, "-m", "tests.fuzz.campaign"), name, str(seconds), str(seed), str(folder)
        )  # fmt: skip
        env = {**os.environ, "PYTHONFAULTHANDLER": "1", "PATCHBENCH_CACHE": str(folder / "cache")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=Path(__file__).parents[2]
            )
        self._watched = psutil.Process(self._process.pid)

    def wait(self) -> Fault | None:
        """Wait until the time is over or a fault is met; kills what hangs or grows."""
        stamp, since, used = 0, time.monotonic(), 0.0
        try:
            while self._process.poll() is None:
                seconds, rss = self._usage()
                self.peak_mib = max(self.peak_mib, rss)
                now = self._stamp()
                if now != stamp:
                    stamp, since, used = now, time.monotonic(), seconds
                if rss > MOST_MIB:
                    return self._fault(f"{self.name}: {rss:,.0f} MiB, more than {MOST_MIB:,.0f}")
                if seconds - used > _HANGS_AFTER or time.monotonic() - since > _ASLEEP_AFTER:
                    return self._fault(f"{self.name}: hangs")
                time.sleep(0.05)
            if self._process.returncode:
                return self._fault(f"{self.name}:\n{self._log.read_text(errors='replace')[-6000:]}")
            return None
        finally:
            self._process.kill()
            self._process.wait()

    def counts(self) -> dict[str, int]:
        """How many inputs there were, and how many of them were refused."""
        found: dict[str, int] = json.loads((self.folder / "counts").read_text())
        return found

    def _usage(self) -> tuple[float, float]:
        """Seconds of CPU time and MiB of the process and its children; zeros once it has gone."""
        seconds = rss = 0.0
        try:
            family = [self._watched, *self._watched.children(recursive=True)]
        except psutil.NoSuchProcess:
            return seconds, rss
        for process in family:
            try:
                times = process.cpu_times()
                seconds += times.user + times.system
                rss += process.memory_info().rss / 2**20
            except psutil.NoSuchProcess:
                continue
        return seconds, rss

    def _stamp(self) -> int:
        try:
            return (self.folder / "current").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _fault(self, reason: str) -> Fault:
        return Fault(reason, self.folder / "current")
