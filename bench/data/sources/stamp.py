"""A cheap identity of files: what the file system says of them, without reading them."""

from __future__ import annotations

import hashlib
import os
import time

__all__ = ["Stamp"]

_FINE = 0.02
"""Seconds between two ticks of the clock that dates files, at most, where it is a fine one."""
_COARSE = 2.1
"""The same for file systems that date to whole milliseconds, seconds or pairs of seconds (FAT)."""


class Stamp:
    """A hash over name, size, times and inode of files, and over words such as checksums.

    The time of the last change (ctime) is the kernel's own: neither a rename of one file onto another nor new content
    under the old time of writing leaves it and the inode as they were. On Windows it is the time of creation.
    """

    def __init__(self, *words: object) -> None:
        self._hash = hashlib.sha256()
        self._open_until = 0.0
        self.add(*words)

    def add(self, *words: object) -> None:
        """Take in words that identify something, such as a member's name and checksum."""
        self._hash.update("\0".join(map(str, words)).encode("utf-8", "surrogateescape") + b"\n")

    def add_file(self, name: str, info: os.stat_result, *words: object) -> None:
        """Take in a file by what ``os.stat`` has said of it."""
        self.add(name, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, *words)
        tick = _FINE if info.st_ctime_ns % 1_000_000 else _COARSE
        self._open_until = max(self._open_until, info.st_ctime_ns / 1e9 + tick)

    def value(self) -> str:
        """Return the hash; to be asked for before the files are read.

        Waits (2 s at most) until a change of the newest file would be dated otherwise: a file that is written twice
        within one tick of the clock has the same times both times.
        """
        time.sleep(min(max(self._open_until - time.time(), 0.0), _COARSE))
        return self._hash.hexdigest()
