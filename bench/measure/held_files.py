"""Files that lie in memory and that the processes of a cell hold open: memfd, deleted or written files of a tmpfs.

Their pages belong to no process's resident set unless they are mapped. What counts is what nobody else can have put
there: a file without a name (memfd, or deleted), or one that is open for writing and was written since the cell began.
A data set that lies on a tmpfs and is read is not the cell's; a file that was written, closed and left is not seen.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["HeldFiles", "memory_devices"]

_TYPES = {"tmpfs", "ramfs"}


def memory_devices(mounts: Path = Path("/proc/self/mountinfo")) -> frozenset[int]:
    """Numbers of the file systems that lie in memory, with that of memfd, as `os.stat` gives them."""
    found = set()
    with suppress(OSError, ValueError):
        for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
            head, _, tail = line.partition(" - ")
            if tail.split(" ", 1)[0] in _TYPES:
                major, _, minor = head.split(" ")[2].partition(":")
                found.add(os.makedev(int(major), int(minor)))
    with suppress(AttributeError, OSError):
        descriptor = os.memfd_create("patchbench")
        found.add(os.fstat(descriptor).st_dev)
        os.close(descriptor)
    return frozenset(found)


class HeldFiles:
    """Finds them; made before the cell starts."""

    def __init__(self, since: float) -> None:
        """since: when the cell began, seconds of `time.time`."""
        self._devices = memory_devices()
        self._since = since

    def find(self, pids: Iterable[int]) -> dict[tuple[int, int], int]:
        """Bytes in memory (or swapped) of each such file, by device and inode."""
        found: dict[tuple[int, int], int] = {}
        for pid in pids:
            with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
                for entry in entries:
                    with suppress(OSError):
                        self._add(entry, found)
        return found

    def _add(self, entry: os.DirEntry[str], found: dict[tuple[int, int], int]) -> None:
        file = os.stat(entry.path)  # noqa: PTH116 - for every open file, several times a second
        if file.st_dev not in self._devices or not stat.S_ISREG(file.st_mode):
            return
        is_written = file.st_mtime >= self._since and entry.stat(follow_symlinks=False).st_mode & stat.S_IWUSR
        if file.st_nlink == 0 or is_written:
            found[file.st_dev, file.st_ino] = file.st_blocks * 512
