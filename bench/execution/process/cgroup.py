"""A memory limit that the kernel itself keeps, for the child and all that it starts (control groups).

It is there where this process may make a group below its own: in a container that was given its own groups, under
``systemd-run --user --scope -p Delegate=yes``, or as the first process of a delegated tree. Both versions of control
groups will do, the first where it still is the one that holds the memory controller. Elsewhere the watchdog
(`bench.execution.local`) is alone.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.measure.system.cgroups import MOUNT, own_group

__all__ = ["MemoryGroup"]


@dataclass(frozen=True)
class _Files:
    """The names of a cgroup's files."""

    limit: str
    swap: str
    """Version 2: swap alone; version 1: memory and swap together."""
    events: str
    """Holds a line ``oom_kill N``."""


_VERSION_2 = _Files("memory.max", "memory.swap.max", "memory.events")
_VERSION_1 = _Files("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control")


class MemoryGroup:
    """A control group with a memory limit; `open` makes one, `close` ends what is in it and removes it."""

    def __init__(self, folder: Path, files: _Files = _VERSION_2) -> None:
        self.folder = folder
        self._files = files
        self._before = self._count()

    @classmethod
    def open(cls, limit_bytes: int, name: str, mount: Path = MOUNT, own: str | None = None) -> MemoryGroup | None:
        """Make a group below this process's own; None where that cannot be done.

        limit_bytes: memory and swap together. own: this process's groups, as /proc/self/cgroup names them.
        """
        newer, older = own_group("memory", mount, own)
        if newer is not None and _holds_memory(newer) and _hands_down(newer):
            return cls._make(newer, name, _VERSION_2, limit_bytes, swap="0", whole=True)
        if older is not None and (older / _VERSION_1.limit).is_file():
            return cls._make(older, name, _VERSION_1, limit_bytes, swap=str(limit_bytes), whole=False)
        return None

    @classmethod
    def _make(
        cls, base: Path, name: str, files: _Files, limit_bytes: int, *, swap: str, whole: bool
    ) -> MemoryGroup | None:
        """whole: have the kernel end all of the group at once, which version 1 cannot."""
        _sweep(base)
        folder = base / f"patchbench-{name}-{os.getpid()}"
        group = cls(folder, files)
        try:
            folder.mkdir(exist_ok=True)
        except OSError:  # read-only or not ours
            return None
        try:
            (folder / files.limit).write_text(str(limit_bytes))
            with suppress(FileNotFoundError, PermissionError):  # a kernel that keeps no account of swap
                (folder / files.swap).write_text(swap)
            if whole:
                (folder / "memory.oom.group").write_text("1")
        except OSError:
            group.close()
            return None
        return group

    def take(self, pid: int) -> bool:
        """Move a process into the group; what it starts from now on is born there."""
        try:
            (self.folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            return False
        return True

    def kills(self) -> int:
        """How often the kernel has killed in this group because of the limit since it was opened."""
        return self._count() - self._before

    def _count(self) -> int:
        with suppress(OSError):
            for line in (self.folder / self._files.events).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0

    def close(self) -> None:
        """End every process in the group and remove it."""
        for _ in range(100):
            self._end()
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:  # the last of them is still being taken down
                time.sleep(0.01)
            else:
                return

    def _end(self) -> None:
        if (self.folder / "cgroup.kill").exists():  # ends them all at once, also those that are just being born
            with suppress(OSError):
                (self.folder / "cgroup.kill").write_text("1")
                return
        with suppress(OSError):
            for pid in map(int, (self.folder / "cgroup.procs").read_text().split()):
                if pid > 0:  # 0 stands for a process outside this container, and would end this one
                    with suppress(OSError):
                        os.kill(pid, signal.SIGKILL)


def _sweep(base: Path) -> None:
    """Remove the empty groups of processes that were killed before they could."""
    for left in base.glob("patchbench-*-*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            with suppress(OSError):
                left.rmdir()


def _hands_down(base: Path) -> bool:
    """Whether a group of version 2 lets those below it limit their memory; it is made to where that is allowed."""
    try:
        if "memory" not in (base / "cgroup.subtree_control").read_text().split():
            (base / "cgroup.subtree_control").write_text("+memory")
    except OSError:  # read-only, not ours, or with processes in it: the usual case
        return False
    return True


def _holds_memory(folder: Path) -> bool:
    try:
        return "memory" in (folder / "cgroup.controllers").read_text().split()
    except OSError:
        return False
