"""Images of more than 8 bits a channel: their samples as they are stored, and how many bits a set of them uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from bench.data.image_error import ImageError
from bench.results.notice import Notice

__all__ = ["FULL", "Bits", "WideSamples", "bits_for", "open_wide"]

FULL = 16
"""Bits of a sample where nothing is known of the set that the image belongs to."""

Bits = Literal[8, 10, 12, 14, 16]
_DEPTHS: tuple[Bits, ...] = (8, 10, 12, 14, 16)
"""What cameras deliver in 16 bits."""

_NATIVE, _OTHER = ("L", "B") if sys.byteorder == "little" else ("B", "L")

_WIDE_COLORS = {("RGB", "RGB"), ("RGB", "RGBX"), ("RGBA", "RGBA")}
"""Modes with what Pillow calls their samples in a file, for which it knows both orders of bytes."""

_GRAY_ALPHA = "LA;16B"
"""Gray with alpha in a PNG."""

Reopen = Callable[[], ImageFile.ImageFile]
"""Opens the same image once more, not loaded yet."""


def bits_for(highest: Iterable[int]) -> Bits | None:
    """Return the bits that a set of images uses, by the highest sample of each; None for none.

    The least of 8, 10, 12, 14 and 16 that hold them all.
    """
    top = max(highest, default=None)
    return None if top is None else next(bits for bits in _DEPTHS if top < 1 << bits)


@dataclass(frozen=True, slots=True)
class WideSamples:
    """A loaded image with 16 bits a channel."""

    name: str
    image: Image.Image
    lower: Image.Image | None = None
    """The image with the lower bytes, where Pillow keeps the upper ones only."""

    def rows(self, top: int, bottom: int) -> NDArray[np.uint16]:
        """Return the samples of some rows as they are stored, height x width x channels.

        Raises:
            ImageError: they are integers below 0 or above 65535, for which there is no scale.
        """
        box = (0, top, self.image.width, bottom)
        values = np.asarray(self.image.crop(box))
        if self.lower is not None:
            low = np.asarray(self.lower.crop(box)).astype(np.uint16)
            both = self.lower.info.get(_GRAY_ALPHA, False)
            upper, low = (low[..., ::2], low[..., 1::2]) if both else (values.astype(np.uint16), low)
            return np.bitwise_or(np.left_shift(upper, 8, dtype=np.uint16), low)
        if values.dtype == np.int32 and (values.min() < 0 or values.max() > 0xFFFF):
            message = f"{self.name}: 32-bit integer pixels outside 0..65535; store the image with 8 or 16 bits"
            raise ImageError(message, Notice.of("integer_pixels_out_of_range"))
        return values.astype(np.uint16)[..., None]


def open_wide(image: Image.Image, depth: int, reopen: Reopen, name: str) -> WideSamples | None:
    """Return the samples of a loaded image with 16 bits a channel; None for any other.

    depth: bits of a sample in the file, as far as it is known.
    """
    if image.mode.startswith("I"):  # 16 bits, or 32, as which older versions of Pillow read 16
        return WideSamples(name, image)
    if depth != FULL:
        return None
    if image.format == "PPM":
        halves = _ppm_bytes(reopen)
        return None if halves is None else WideSamples(name, *halves)
    lower = _lower_bytes(reopen)
    return None if lower is None else WideSamples(name, image, lower)


def _lower_bytes(reopen: Reopen) -> Image.Image | None:
    """The lower byte of each sample of an image with colors or alpha; None where there are 8 bits.

    Told that the bytes of a sample stand the other way round, Pillow's decoders give the lower one for the upper one.
    """
    again = reopen()
    swapped = [_swap(again, tile) for tile in again.tile]
    if not swapped or None in swapped:
        return None
    again.info[_GRAY_ALPHA] = _GRAY_ALPHA in str(again.tile[0][3])
    if again.info[_GRAY_ALPHA]:
        cast("Any", again)._mode = "RGBA"
    again.tile = cast("Any", swapped)
    again.info.pop("xmp", None)  # as when it was decoded first: a TIFF would be turned by it
    again.load()
    return again


def _ppm_bytes(reopen: Reopen) -> tuple[Image.Image, Image.Image] | None:
    """The upper and lower bytes of a binary PPM's colors, which Pillow rounds to 8 bits; None where there are 8."""
    halves = []
    for order in ("B", "L"):
        image = reopen()
        codec, extents, offset, args = image.tile[0]
        if (image.mode, codec, args) != ("RGB", "ppm", ("RGB", 0xFFFF)):
            return None
        image.tile = [_like(image.tile[0], ("raw", extents, offset, (f"RGB;16{order}", 0, 1)))]
        image.load()
        halves.append(image)
    return halves[0], halves[1]


def _swap(image: Image.Image, tile: Any) -> Any:
    """A tile of the file read in the other order of bytes; None where it is not of 16 bits."""
    codec, extents, offset, args = tile
    rawmode = args if isinstance(args, str) else args[0]
    if rawmode == _GRAY_ALPHA:  # for which Pillow knows one order only: the four bytes, as if they were colors
        return _like(tile, (codec, extents, offset, "RGBA"))
    pixel, _, order = str(rawmode).partition(";16")
    if (image.mode, pixel) not in _WIDE_COLORS or order not in ("L", "B", "N"):
        return None
    other = f"{pixel};16{_OTHER if order in ('N', _NATIVE) else _NATIVE}"
    return _like(tile, (codec, extents, offset, other if isinstance(args, str) else (other, *args[1:])))


def _like(tile: Any, values: tuple[Any, ...]) -> Any:
    """A named tuple where Pillow has named tuples."""
    return tile._make(values) if hasattr(tile, "_make") else values
