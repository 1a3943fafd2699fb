"""JPEG files whose last two bytes are missing, and nothing else, as some cameras and copiers leave them."""

from __future__ import annotations

import re
from collections.abc import Callable

from PIL import Image

__all__ = ["with_end"]

_END = b"\xff\xd9"
_SEQUENTIAL = (0xC0, 0xC1)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FILLINGS = (b"", b"\x55" * 4096, b"\xaa" * 4096)


def with_end(data: bytes, decode: Callable[[bytes], Image.Image]) -> bytes | None:
    """Return a JPEG with the end marker that it lacks; None where it has one, or lacks more than that.

    Its pixels are whole if they are the same whatever follows. Only files of one scan are completed: of several, whole
    ones can be missing.

    decode: gives the pixels of a whole file.
    """
    if not _is_one_open_scan(data):
        return None
    data = data[:-1] if data.endswith(b"\xff") else data
    first, *others = (decode(data + filling + _END).tobytes() for filling in _FILLINGS)
    return data + _END if all(other == first for other in others) else None


def _is_one_open_scan(data: bytes) -> bool:
    """Whether the file is a sequential JPEG whose only scan, of all its channels, runs to the end of the file."""
    place, channels = 2, None
    while data[:2] == b"\xff\xd8" and place + 10 < len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAMES:
            channels = data[place + 9] if marker in _SEQUENTIAL else None
        if marker == _SCAN:
            return data[place + 4] == channels and not _MARKER_IN_SCAN.search(data, place + 2 + length)
        place += 2 + length
    return False
