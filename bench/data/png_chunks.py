"""The parts of a PNG that hold its pixels, without those that only tell of them."""

from __future__ import annotations

import struct
import zlib

__all__ = ["is_png", "without_metadata"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_EXIF, _TEXT, _XMP = b"eXIf", b"iTXt", b"XML:com.adobe.xmp\0"
_KEPT_BYTES = 2**20


def is_png(data: bytes) -> bool:
    """Whether a file begins as a PNG does."""
    return data.startswith(_SIGNATURE)


def without_metadata(data: bytes) -> bytes | None:
    """Return a PNG without texts, profiles, times and frames; with EXIF and XMP data that are whole and small.

    Returns None where that is the same file, and where its parts do not follow each other up to its end.
    """
    kept, place = [_SIGNATURE], len(_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        head = data[place : place + 8]
        if len(head) < 8:
            return None
        length, kind = struct.unpack(">I4s", head)
        chunk = data[place : place + 12 + length]
        if len(chunk) < 12 + length:
            return None
        if kind in _PIXELS or _tells_orientation(kind, chunk):
            kept.append(chunk)
        place += len(chunk)
    slim = b"".join(kept)
    return slim if len(slim) < place else None


def _tells_orientation(kind: bytes, chunk: bytes) -> bool:
    if kind != _EXIF and not (kind == _TEXT and chunk[8:].startswith(_XMP) and chunk[8 + len(_XMP)] == 0):
        return False
    body, checksum = chunk[4:-4], chunk[-4:]
    return len(body) <= _KEPT_BYTES and zlib.crc32(body).to_bytes(4, "big") == checksum
