"""Memory of a process and of all that it started, read from the kernel.

Peak memory is the highest sum of proportional set sizes (PSS) of the process tree: each process's private pages, and
its share of those it has in common with others, so that nothing is counted twice. `ru_maxrss` is not used: it
survives exec and so begins at the parent's peak. Where /proc is missing, psutil's resident set (RSS) takes the place
of PSS, and the method records it.

Reading PSS makes the kernel walk all pages. So the watch reads the resident set, which costs nothing, ten times a
second, and reads PSS when the resident set has reached a new height, and from time to time, as far as its allowance
of 0.3 % of a core goes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from bench.results.notice import Notice

__all__ = ["APART", "START", "MemoryWatch", "PhaseMarks", "high_water_mib", "pss_mib", "reset_high_water", "rss_mib"]

_LINUX = sys.platform.startswith("linux")
_SHARE_OF_TIME = 0.003
_CREDIT = 0.05
"""Seconds of reading that may be saved up, for peaks that follow each other closely."""
_GROWTH = 1.01
_START_GROWTH = 1.25
"""While libraries are imported, which grows in small steps for seconds, fewer readings do."""
START = "start"
"""The phase before the child has named one: the imports."""
APART = "inference"
"""The phase that does not count towards the peak of the cell: it comes after the result, with batches of any size."""
_PAGE_MIB = (os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096) / 2**20


def _kib(path: str, key: bytes) -> int | None:
    """The number behind ``key`` in a /proc file of ``key: N kB`` lines; None when the process is gone."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - read ten times a second
            for line in file:
                if line.startswith(key):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return None


def pss_mib(pid: int | None = None) -> float | None:
    """Proportional set size of one process (this one by default) in MiB; None where it cannot be read."""
    if not _LINUX:
        return None
    kib = _kib(f"/proc/{pid or 'self'}/smaps_rollup", b"Pss:")
    return None if kib is None else kib / 1024


def high_water_mib(pid: int | None = None) -> float | None:
    """The kernel's high-water mark of the resident set (VmHWM) in MiB; None where there is none."""
    if not _LINUX:
        return None
    kib = _kib(f"/proc/{pid or 'self'}/status", b"VmHWM:")
    return None if kib is None else kib / 1024


def reset_high_water() -> bool:
    """Start this process's high-water mark anew at what it uses now; False where the kernel cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def rss_mib(pid: int) -> float | None:
    """Resident set of one process in MiB, pages shared with others counted whole; None when it is gone."""
    if _LINUX:
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * _PAGE_MIB
        return None
    try:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return None


@dataclass
class MemoryWatch:
    """Samples the processes of a cell from outside and keeps the peak. Call `sample` about ten times a second."""

    processes: Callable[[], list[int]]
    """Returns the processes that count; the first of them is the child itself."""
    peak_mib: float | None = None
    high_water_mib: float | None = None
    by_phase: dict[str, float] = field(default_factory=dict)
    """Peak by the phase that `sample` was given, MiB."""
    samples: int = 0
    spent: float = 0.0
    """Seconds of this process's own time that watching has cost."""
    pids: list[int] = field(default_factory=list)
    """The processes of the last sample."""
    _times: list[float] = field(default_factory=list)
    _credit: float = _CREDIT
    _last: float = field(default_factory=time.perf_counter)
    _heights: dict[str, float] = field(default_factory=dict)
    """Highest resident set at a reading, by phase."""

    @property
    def method(self) -> Notice:
        """How the peak was found."""
        return Notice.of("pss_sampled") if _LINUX else Notice.of("rss_sampled")

    @property
    def interval(self) -> float | None:
        """Median seconds between two samples; None before there are two."""
        gaps = [b - a for a, b in zip(self._times, self._times[1:], strict=False)]
        return median(gaps) if gaps else None

    def sample(self, phase: str = START, limit_mib: float | None = None) -> float | None:
        """Sample the processes once; returns their memory in MiB when it was read, else None.

        phase: what the child is doing. limit_mib: a resident set above it is always read closely (PSS is never
        more than the resident set, so below it there is no need to).
        """
        begun, used = time.perf_counter(), time.thread_time()
        self.pids = pids = self.processes()
        resident = [mib for pid in pids if (mib := rss_mib(pid)) is not None]
        total, found = sum(resident), None
        self._credit = min(_CREDIT, self._credit + (begun - self._last) * _SHARE_OF_TIME)
        self._last = begun
        growth = _START_GROWTH if phase == START else _GROWTH
        higher = total > self._heights.get(phase, 0.0) * growth
        pressing = (limit_mib is not None and total > limit_mib) or phase not in self.by_phase
        if resident and (pressing or (self._credit > 0 and (higher or self._credit == _CREDIT))):
            found = self._read(pids, resident, phase)
            if _LINUX and set(now := self.processes()) - set(pids):
                self.pids = now  # forked meanwhile: its share of the pages was in no one's reading
                found = self._read(now, resident, phase) or found
            self._times.append(begun)
            self._heights[phase] = max(total, self._heights.get(phase, 0.0))
        cost = time.thread_time() - used
        self.spent += cost
        self._credit -= cost if found is not None else 0.0
        return found

    def _read(self, pids: list[int], resident: list[float], phase: str) -> float | None:
        readings = [mib for pid in pids if (mib := pss_mib(pid)) is not None] if _LINUX else resident
        mark = high_water_mib(pids[0])
        if mark is not None and phase != APART:
            self.high_water_mib = max(mark, self.high_water_mib or 0.0)
        if not readings:
            return None
        total = sum(readings)
        self.samples += 1
        if phase != APART:
            self.peak_mib = max(total, self.peak_mib or 0.0)
        self.by_phase[phase] = max(total, self.by_phase.get(phase, 0.0))
        return total


class PhaseMarks:
    """In the child: the kernel's high-water mark of each phase, exact however short its peak was."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}
        """VmHWM of this process by phase in MiB; empty where the kernel cannot start the mark anew."""
        self.highest: float | None = high_water_mib()
        """VmHWM since the process began."""
        self.phase: str | None = None
        """The phase that is under way."""
        self._able = reset_high_water()

    def enter(self, phase: str | None) -> None:
        """Note the mark of the phase so far, and begin the next if it is another."""
        mark = high_water_mib()
        if mark is not None:
            if self.phase != APART:
                self.highest = max(mark, self.highest or 0.0)
            if self._able and self.phase is not None:
                self.peaks[self.phase] = max(mark, self.peaks.get(self.phase, 0.0))
        if self._able and phase != self.phase:
            reset_high_water()
        self.phase = phase
