"""A memory limit that the kernel itself keeps, for the child and all that it starts (control groups, version 2).

It is there where this process may make a group below its own: in a container that was given its own groups, under
``systemd-run --user --scope -p Delegate=yes``, or as the first process of a delegated tree. Elsewhere the watchdog
(`bench.execution.local`) is alone.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["MemoryGroup"]

_MOUNT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """A control group with a memory limit; `open` makes one, `close` ends what is in it and removes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, limit_bytes: int, name: str, mount: Path = _MOUNT, own: str | None = None) -> MemoryGroup | None:
        """Make a group below this process's own; None where that cannot be done.

        limit_bytes: memory and swap together. own: this process's group, as /proc/self/cgroup names it.
        """
        base = _own_group(mount, own)
        if base is None:
            return None
        folder = base / f"patchbench-{name}-{os.getpid()}"
        try:
            if "memory" not in (base / "cgroup.subtree_control").read_text().split():
                (base / "cgroup.subtree_control").write_text("+memory")
            folder.mkdir(exist_ok=True)
        except OSError:  # read-only, not ours, or with processes in it: the usual case
            return None
        group = cls(folder)
        try:
            (folder / "memory.max").write_text(str(limit_bytes))
            with suppress(FileNotFoundError):
                (folder / "memory.swap.max").write_text("0")
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
        """How often the kernel killed in this group because of the limit."""
        with suppress(OSError):
            for line in (self.folder / "memory.events").read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0

    def close(self) -> None:
        """End every process in the group and remove it."""
        with suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1")
        for _ in range(100):
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:  # the last of them is still being taken down
                time.sleep(0.01)
            else:
                return


def _own_group(mount: Path, own: str | None) -> Path | None:
    """The folder of this process's group in the version 2 tree; None where there is no such tree with memory in it."""
    if own is None:
        try:
            lines = Path("/proc/self/cgroup").read_text().splitlines()
        except OSError:
            return None
        own = next((line[3:] for line in lines if line.startswith("0::")), None)
        if own is None:
            return None
    base = mount / own.lstrip("/")
    try:
        return base if "memory" in (base / "cgroup.controllers").read_text().split() else None
    except OSError:
        return None
