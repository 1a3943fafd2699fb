"""How many passes over the image a JPEG takes."""

from __future__ import annotations

import re

__all__ = ["count_passes"]

_SCAN, _END = 0xDA, 0xD9
_BARE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length."""

_MARKER = re.compile(rb"\xff+([^\x00\xff])")


def count_passes(data: bytes) -> int:
    """Return the scans up to the end of the image; a film or another image that follows it does not count."""
    passes, place = 0, 2
    while (found := _MARKER.search(data, place)) is not None:
        place, marker = found.end(), found[1][0]
        if marker == _END:
            break
        if marker in _BARE:
            continue
        passes += marker == _SCAN
        place += max(2, int.from_bytes(data[place : place + 2], "big"))
    return passes
