"""Pages in memory of some processes together, each counted once, whoever else maps them.

The proportional set size (PSS) divides a page by all processes of the machine that map it, so a library counts less the
more strangers have loaded it. Here a page is shared within the given processes only:

- pages without a file: their PSS. They are shared by fork alone, and a cell's first process began with exec, so all
  that share them are in the tree. Exact.
- pages of files, shared memory and memfd: a page is named by its file and its place in it. What is mapped once counts
  as resident; where several mappings cover the same part of a file, /proc/PID/pagemap says which pages each of them
  has, and their union counts. Exact.

Each figure is exact for the moment at which its process was read; `bench.measure.memory` reads again when the processes
changed meanwhile. What is swapped out does not count.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import numpy as np

__all__ = ["mapped_twice_mib", "tree_mib"]

_PAGE = mmap.PAGESIZE
_LINE = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)", re.MULTILINE)
_ROLLUP = re.compile(rb"^(Rss|Anonymous|Pss_Anon):\s*(\d+) kB", re.MULTILINE)
_PRESENT_OF_FILE = np.uint64(1 << 63 | 1 << 61)
_CHUNK = 1 << 20
"""Pages whose state is read at once."""
_FAR = 1 << 28
"""Pages (1 TiB): what lies further back in a file is not looked at, and every mapping of it counts whole."""

File = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True)
class _Mapping:
    pid: int
    start: int
    """First page of the process's address space."""
    offset: int
    """First page of the file."""
    pages: int

    def within(self, low: int, high: int) -> _Mapping | None:
        """The part of it that lies between two pages of the file; None where there is none."""
        skipped = max(0, low - self.offset)
        pages = min(self.offset + self.pages, high) - self.offset - skipped
        return _Mapping(self.pid, self.start + skipped, self.offset + skipped, pages) if pages > 0 else None


def tree_mib(pids: Sequence[int], held: Mapping[File, int]) -> float | None:
    """MiB of these processes together, each page once; None where the kernel does not show it.

    held: bytes of files in memory that they have open, mapped or not (`bench.measure.held_files`).
    """
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
                found = {key: int(kib) * 1024 for key, kib in _ROLLUP.findall(file.read())}
        except (FileNotFoundError, ProcessLookupError):
            if not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
                continue
            return None
        except OSError:
            return None
        if found and b"Pss_Anon" not in found:  # before Linux 5.4
            return None
        total += found.get(b"Rss", 0) - found.get(b"Anonymous", 0) + found.get(b"Pss_Anon", 0)
    again = mapped_twice_mib(pids, held)
    return None if again is None else total / 2**20 - again


def mapped_twice_mib(pids: Sequence[int], held: Mapping[File, int]) -> float | None:
    """MiB by which the sum of these processes' pages of files exceeds the pages there are; None: it cannot be read.

    Negative where a file in memory that they hold open has pages that none of them maps.
    """
    mappings: dict[File, list[_Mapping]] = {}
    for pid in pids:
        for file, mapping in _mappings(pid):
            mappings.setdefault(file, []).append(mapping)
    excess = 0
    with ExitStack() as stack:
        pagemaps: dict[int, int | None] = {}
        try:
            for file, found in mappings.items():
                for low, high in [(0, _FAR)] if file in held else _shared_parts(found):
                    parts = [part for mapping in found if (part := mapping.within(low, high)) is not None]
                    for pid in {part.pid for part in parts} - pagemaps.keys():
                        pagemaps[pid] = _open_pagemap(pid, stack)
                    each, union = _resident(parts, pagemaps)
                    excess += each - max(union, _pages(held.get(file, 0)))
        except PermissionError:
            return None
    excess -= sum(_pages(size) for file, size in held.items() if file not in mappings)
    return excess * _PAGE / 2**20


def _pages(size: int) -> int:
    return -(-size // _PAGE)


def _mappings(pid: int) -> Iterable[tuple[File, _Mapping]]:
    """The parts of files that a process maps; none when it is gone."""
    text = b""
    with suppress(OSError), open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123
        text = file.read()
    for start, end, offset, major, minor, inode in _LINE.findall(text):
        if inode != b"0":
            first = int(start, 16)
            pages = (int(end, 16) - first) // _PAGE
            key = os.makedev(int(major, 16), int(minor, 16)), int(inode)
            yield key, _Mapping(pid, first // _PAGE, int(offset, 16) // _PAGE, pages)


def _shared_parts(mappings: Sequence[_Mapping]) -> list[tuple[int, int]]:
    """Where a file is mapped more than once, as (first page, page after the last).

    Left out is the single page that two sections of a library have in common, which one of them hardly ever touches.
    """
    if len(mappings) == 1:
        return []
    edges = sorted(edge for m in mappings for edge in ((m.offset, 1), (m.offset + m.pages, -1)))
    found, depth, begin = [], 0, 0
    for place, step in edges:
        if depth + step == 2 and step == 1:
            begin = place
        elif depth == 2 and step == -1 and place > begin:
            found.append((begin, place))
        depth += step
    alone = len({mapping.pid for mapping in mappings}) == 1
    return [(low, high) for low, high in found if high - low > alone and high <= _FAR]


def _open_pagemap(pid: int, stack: ExitStack) -> int | None:
    with suppress(FileNotFoundError, ProcessLookupError):
        descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
        stack.callback(os.close, descriptor)
        return descriptor
    return None


def _resident(mappings: Sequence[_Mapping], pagemaps: Mapping[int, int | None]) -> tuple[int, int]:
    """Pages of one file: those of each mapping summed, and those of all together."""
    if not mappings:
        return 0, 0
    low = min(mapping.offset for mapping in mappings)
    high = max(mapping.offset + mapping.pages for mapping in mappings)
    each, together = 0, np.zeros(high - low, dtype=bool)
    for mapping in mappings:
        descriptor = pagemaps[mapping.pid]
        found = np.zeros(0, dtype=bool) if descriptor is None else _present(mapping, descriptor)
        each += int(np.count_nonzero(found))
        together[mapping.offset - low : mapping.offset - low + len(found)] |= found
    return each, int(np.count_nonzero(together))


def _present(mapping: _Mapping, pagemap: int) -> np.ndarray:
    """Which pages of a mapping are in memory and the file's own, not a private copy; (pages,) bool, short when gone."""
    parts = []
    with suppress(ProcessLookupError):
        for done in range(0, mapping.pages, _CHUNK):
            raw = os.pread(pagemap, min(_CHUNK, mapping.pages - done) * 8, (mapping.start + done) * 8)
            parts.append(np.frombuffer(raw, dtype=np.uint64, count=len(raw) // 8) & _PRESENT_OF_FILE)
    return np.concatenate(parts) == _PRESENT_OF_FILE if parts else np.zeros(0, dtype=bool)
