"""Memory of a process and of all that it started, sampled from outside: what is its own, whoever else is there.

Peak memory is the most that the pages of the process tree have been together, a page that several of its processes
have in common counted once, and never divided by strangers that map the same libraries (`bench.measure.pages`).

- While the tree is one process, that is its resident set. It is read ten times a second, together with the kernel's
  high-water mark, which is exact however short a peak was: no peak is missed between two samples.
- For several processes the kernel walks their pages, about 30 ms for each that has imported torch. So the resident sets
  are read ten times a second, and the pages when those have reached a new height, and from time to time, as far as
  an allowance of 0.3 % of a core goes. A height that the allowance did not reach is kept in `MemoryWatch.unread_mib`.

A reading during which processes came, went or grew is repeated. `ru_maxrss` is not used: it survives exec and so begins
at the parent's peak. Where /proc is missing, the sum of the resident sets stands in, and the method records it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from bench.measure.held_files import HeldFiles
from bench.measure.pages import mapped_twice_mib, tree_mib
from bench.measure.proc_status import LINUX, ProcStatus, proc_status, share_memory
from bench.results.notice import Notice

__all__ = ["APART", "START", "MemoryWatch"]

_SHARE_OF_TIME = 0.003
_CREDIT = 0.05
"""Seconds of reading that may be saved up, for peaks that follow each other closely."""
_GROWTH = 1.01
START = "start"
"""The phase before the child has named one: the imports."""
APART = "inference"
"""The phase that does not count towards the peak of the cell: it comes after the result, with batches of any size."""
_HOLDS = 1.0
"""Seconds for which a reading of the pages is held against a limit."""
_READINGS = 3
"""How often the pages are read at most until nothing has changed meanwhile."""
_STILL_MIB = 2.0
_STILL = 0.01
"""A resident set that changes by less, in MiB or as a share, has not changed."""

Statuses = dict[int, ProcStatus]


@dataclass
class MemoryWatch:
    """Samples the processes of a cell from outside and keeps the peak. Call `sample` about ten times a second."""

    processes: Callable[[], list[int]]
    """Returns the processes that count; the first of them is the child itself."""
    peak_mib: float | None = None
    high_water_mib: float | None = None
    """The child's own mark."""
    by_phase: dict[str, float] = field(default_factory=dict)
    """Peak by the phase that `sample` was given, MiB."""
    twice_mib: float = 0.0
    """What the child's resident set counts more than once, as last read; below 0: what it holds without mapping it."""
    samples: int = 0
    longest_gap: float = 0.0
    """Longest time of the child without a sample in seconds."""
    stood_still: float = 0.0
    """Longest time in seconds after which the next sample, or the end of the child, was seen."""
    stopped: float = 0.0
    """Seconds for which the child was stopped by a signal or a debugger, to within the samples."""
    spent: float = 0.0
    """Seconds of this process's own time that watching has cost."""
    pids: list[int] = field(default_factory=list)
    """The processes of the last sample."""
    _gaps: list[float] = field(default_factory=list)
    _credit: float = _CREDIT
    _last: float = field(default_factory=time.monotonic)
    _heights: dict[str, float] = field(default_factory=dict)
    """Highest sum of resident sets at a reading of pages, by phase."""
    _reading: tuple[float, float, float] = (0.0, 0.0, float("-inf"))
    """MiB of the last reading of pages, the sum of resident sets at it, and its time."""
    _unread_height: float = 0.0
    """Highest sum of resident sets for which there was no allowance left."""
    _unread_rise: float = 0.0
    """Highest rise of processes of which it is not known whether they were there together."""
    _marks: dict[int, float] = field(default_factory=dict)
    """Each process's high-water mark at the last sample."""
    _held: HeldFiles = field(default_factory=lambda: HeldFiles(time.time()))
    _phase: str = START
    _files: tuple[float, float] = (0.0, 0.0)
    """MiB of files that a single process maps and holds, when it was last looked up what it counts twice."""
    _shows_pages: bool = LINUX

    @property
    def method(self) -> Notice:
        """How the peak was found."""
        return Notice.of("own_pages_sampled") if self._shows_pages else Notice.of("rss_sampled")

    @property
    def unread_mib(self) -> float:
        """By how much the resident sets of several processes have exceeded those of any reading of their pages."""
        read = max((height for phase, height in self._heights.items() if phase != APART), default=0.0)
        return max(self._unread_rise, self._unread_height - read, 0.0)

    @property
    def interval(self) -> float | None:
        """Median seconds between two samples; None before there are two."""
        return median(self._gaps) if self._gaps else None

    def sample(self, phase: str = START, limit_mib: float | None = None) -> float | None:
        """Sample the processes once; returns their memory in MiB when it is known, else None.

        phase: what the child is doing. limit_mib: resident sets above it are read closely, whatever the allowance,
        when their pages may exceed it (they are never more than the resident sets).
        """
        now, used = time.monotonic(), time.thread_time()
        gap, self._last = now - self._last, now
        self._credit = min(_CREDIT, self._credit + gap * _SHARE_OF_TIME)
        statuses = self._look()
        if not statuses:
            return None
        self._note_gap(gap, statuses.get(self.pids[0]))
        rise = self._rise(statuses, phase)
        found = self._one(statuses) if len(statuses) == 1 else self._several(statuses, rise, phase, limit_mib)
        is_new, self._phase = phase != self._phase, phase
        if self.twice_mib < 0:  # what rose can have been pages of the files that count as held already
            rise = max(0.0, rise + self.twice_mib)
        if found is not None:
            # between two phases it is not known which of them a rise belongs to; the child knows its own (`PhaseMarks`)
            self.by_phase[phase] = max(found if is_new else found + rise, self.by_phase.get(phase, 0.0))
            found += rise
            if phase != APART:
                self.peak_mib = max(found, self.peak_mib or 0.0)
        self.spent += time.thread_time() - used
        return found

    def end(self, ended: float, seen: float) -> None:
        """Note when the child ended, and when that or the reason to end it was seen; seconds of `time.monotonic`."""
        self.longest_gap = max(self.longest_gap, ended - self._last)
        self.stood_still = max(self.stood_still, seen - self._last)

    def _look(self) -> Statuses:
        """The processes as they are now, but for those that have not begun with memory of their own (vfork)."""
        self.pids = self.processes()
        found = {pid: status for pid in self.pids if (status := proc_status(pid)) is not None}
        return {pid: s for pid, s in found.items() if s.parent not in found or not share_memory(pid, s.parent)}

    def _note_gap(self, gap: float, child: ProcStatus | None) -> None:
        if self.samples:
            self._gaps.append(gap)
        self.longest_gap, self.stood_still = max(self.longest_gap, gap), max(self.stood_still, gap)
        self.stopped += gap if child is not None and child.is_stopped else 0.0
        self.samples += 1

    def _rise(self, statuses: Statuses, phase: str) -> float:
        """MiB by which the processes' high-water marks since the last sample exceed what they have now.

        Of the child the whole rise; of another only what it had not had at a sample before, for part of that can have
        been pages that it shared with the process which forked it. Where processes have come or gone, it is not known
        which of them were there at that height: the rise goes to `unread_mib`.
        """
        total, child = 0.0, self.pids[0]
        is_same = len(statuses) == 1 or statuses.keys() == self._marks.keys()
        for pid, status in statuses.items():
            mark, known = status.high_water, self._marks.get(pid, 0.0)
            if mark is None:
                continue
            if pid == child and phase != APART:
                self.high_water_mib = max(mark, self.high_water_mib or 0.0)
            if mark != known and (pid == child or known):
                total += max(0.0, mark - (status.resident if pid == child else max(known, status.resident)))
        self._marks = {pid: status.high_water or 0.0 for pid, status in statuses.items()}
        if not is_same and phase != APART:
            above = sum(status.resident for status in statuses.values()) + total - (self.peak_mib or 0.0)
            self._unread_rise = max(self._unread_rise, min(total, above))
        return total if is_same else 0.0

    def _one(self, statuses: Statuses) -> float | None:
        """The resident set, less what it counts twice, which is looked up when its pages of files have changed.

        None where the process ended meanwhile: the parts of the figure would be of different moments.
        """
        ((pid, status),), begun = statuses.items(), time.thread_time()
        held = self._held.find(statuses) if LINUX else {}
        now = status.of_files, sum(held.values()) / 2**20
        changes = [abs(new - old) for new, old in zip(now, self._files, strict=True)]
        resident, is_due = status.resident, self._credit > 0 or bool(held)
        if LINUX and (changes[1] > _STILL_MIB or (changes[0] > _STILL_MIB and is_due)):
            twice = mapped_twice_mib([pid], held) or 0.0
            self._credit -= time.thread_time() - begun
            after = proc_status(pid)  # pages that were mapped or let go of meanwhile are in one of the two readings
            if after is None:
                return None
            self.twice_mib, self._files, resident = twice, now, min(resident, after.resident)
        return resident - self.twice_mib

    def _several(self, statuses: Statuses, rise: float, phase: str, limit_mib: float | None) -> float | None:
        """The pages of all, where it is due and the allowance lets it; else None."""
        total, height = sum(s.resident for s in statuses.values()), self._heights.get(phase, 0.0)
        higher = total + rise > height * _GROWTH
        pressing = not height or (limit_mib is not None and self._may_exceed(limit_mib, total + rise))
        if not (pressing or (self._credit > 0 and (higher or self._credit == _CREDIT))):
            if higher and phase != APART:
                self._unread_height = max(self._unread_height, total + rise)
            return None
        begun = time.thread_time()
        found = self._read(statuses)
        self._heights[phase] = max(total, height)
        self._reading = found, total, time.monotonic()
        self._credit -= time.thread_time() - begun
        return found

    def _may_exceed(self, limit_mib: float, total: float) -> bool:
        """Whether the pages may be more than the limit, as far as the last reading and what has been added since tell.

        total: of the resident sets. They do not grow when a page that two processes share is copied on writing, or when
        one process ends and another grows: a reading holds for a second.
        """
        found, then, when = self._reading
        is_old = time.monotonic() - when > _HOLDS
        return total > limit_mib and (is_old or found + max(0.0, total - then) > limit_mib)

    def _read(self, before: Statuses) -> float:
        """The pages of all processes; read again when they have changed meanwhile, and then the lowest of the readings.

        What is possible bounds it from below: the pages are no fewer than those of the largest process.
        """
        readings = []
        for _ in range(_READINGS):
            found = tree_mib(list(before), self._held.find(before)) if LINUX else None
            if found is None:
                self._shows_pages = False
                return sum(status.resident for status in before.values())
            after = self._look() or before
            low = max(status.resident for status in after.values()) - max(0.0, self.twice_mib) - _STILL_MIB
            if _is_still(before, after) and found >= low:
                return found
            readings.append(max(found, low))
            before = after
        return min(readings)


def _is_still(before: Statuses, after: Statuses) -> bool:
    return before.keys() == after.keys() and all(
        abs(after[pid].resident - status.resident) <= max(_STILL_MIB, _STILL * status.resident)
        for pid, status in before.items()
    )
