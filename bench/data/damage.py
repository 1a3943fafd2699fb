"""What damaged or hostile files make decoders and decompressors raise, none of which says more than that they are."""

from __future__ import annotations

import struct
import zlib

__all__ = ["DAMAGE"]

DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Named one by one: an interrupt and a mistake of ours in a name are not among them."""
