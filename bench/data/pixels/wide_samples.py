"""Images of more than 8 bits a channel: their samples as they are stored, and how many bits a set of them uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from bench.data.image_error import ImageError
from bench.results.notice import Notice

__all__ = ["FULL", "bits_for", "read_wide"]

FULL = 16
"""Bits of a sample where nothing is known of the set that the image belongs to."""

_DEPTHS = (8, 10, 12, 14, FULL)
"""What cameras deliver in 16 bits."""

_NATIVE, _OTHER = ("L", "B") if sys.byteorder == "little" else ("B", "L")

_WIDE_COLORS = {("RGB", "RGB"), ("RGB", "RGBX"), ("RGBA", "RGBA"), ("LA", "LA")}
"""Modes with what Pillow calls their samples in a file, for which it knows both orders of bytes or none is needed."""

Reopen = Callable[[], ImageFile.ImageFile]
"""Opens the same image once more, not loaded yet."""


def bits_for(highest: Iterable[int]) -> int | None:
    """Return the bits that a set of images uses, by the highest sample of each; None for none.

    The least of 8, 10, 12, 14 and 16 that hold them all.
    """
    top = max(highest, default=None)
    return None if top is None else next(bits for bits in _DEPTHS if top < 1 << bits)


def read_wide(image: Image.Image, reopen: Reopen, name: str) -> NDArray[np.uint16] | None:
    """Return the samples of a loaded image with 16 bits a channel, height x width x channels; None for any other.

    Raises:
        ImageError: its samples are integers below 0 or above 65535, for which there is no scale.
    """
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[..., None]
    if image.mode == "I":  # 32 bits, or 16 in older versions of Pillow
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            message = f"{name}: 32-bit integer pixels outside 0..65535; store the image with 8 or 16 bits"
            raise ImageError(message, Notice.of("integer_pixels_out_of_range"))
        return values.astype(np.uint16)[..., None]
    low = _lower_bytes(reopen)
    if low is None:
        return None
    wide = np.asarray(image).astype(np.uint16)
    if low.shape != wide.shape:  # gray with alpha, whose two halves of two channels came as four channels
        wide = low[..., ::2].astype(np.uint16)
        low = low[..., 1::2]
    wide <<= 8
    wide |= low
    return wide


def _lower_bytes(reopen: Reopen) -> NDArray[np.uint8] | None:
    """The lower byte of each sample, which Pillow drops from colors of 16 bits; None where there is none.

    Told that the bytes stand the other way round, its decoders give the lower byte for the upper one.
    """
    again = reopen()
    swapped = [_swap(again, tile) for tile in again.tile]
    if not swapped or None in swapped:
        return None
    if again.mode == "LA":  # for which Pillow knows one order only: both bytes of both channels, as four channels
        cast("Any", again)._mode = "RGBA"
    again.tile = cast("Any", swapped)
    again.info.pop("xmp", None)
    again.load()
    return np.asarray(again)


def _swap(image: Image.Image, tile: Any) -> Any:
    """A tile of the file read in the other order of bytes; None where it is not of 16 bits."""
    codec, extents, offset, args = tile
    rawmode = args if isinstance(args, str) else args[0]
    pixel, _, order = str(rawmode).partition(";16")
    if (image.mode, pixel) not in _WIDE_COLORS or order not in ("L", "B", "N"):
        return None
    other = "RGBA" if image.mode == "LA" else f"{pixel};16{_OTHER if order in ('N', _NATIVE) else _NATIVE}"
    return (codec, extents, offset, other if isinstance(args, str) else (other, *args[1:]))
