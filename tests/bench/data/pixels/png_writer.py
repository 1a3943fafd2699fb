"""PNG files of every kind, written chunk by chunk: Pillow writes only some of them."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    samples: NDArray[np.integer], color: int, depth: int, *before: bytes, after: bytes = b"", filters: int = 0
) -> bytes:
    """A PNG of samples, height x width x channels, with chunks before and after its pixels.

    filters: 1 stores each row as differences from the pixel to the left.
    """
    height, width, channels = samples.shape
    if depth == 16:
        rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        rows = samples.astype(np.uint8).reshape(height, -1)
    else:
        bits = (samples.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    if filters == 1:
        step = channels * max(depth // 8, 1)
        rows = np.concatenate([rows[:, :step], rows[:, step:] - rows[:, :-step]], axis=1)
    lines = b"".join(bytes([filters]) + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *before, chunk(b"IDAT", zlib.compress(lines)), after,
         chunk(b"IEND", b""))
    )  # fmt: skip
