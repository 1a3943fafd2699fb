"""A decoded image -> what a model sees of it: 8-bit RGB, upright, on white. ``docs/pixels.md`` has the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from bench.data.image_error import ImageError
from bench.data.pixels.tiff_samples import is_inverted
from bench.data.pixels.wide_samples import FULL, Reopen, WideSamples, open_wide
from bench.results.notice import Notice

__all__ = ["CHANGES", "Change", "Converted", "to_rgb"]

Change = Literal[
    "transparency",
    "rotated",
    "wide",
    "float",
    "palette",
    "cmyk",
    "color_space",
    "profile",
    "first_frame",
    "metadata",
    "end",
]
CHANGES: tuple[Change, ...] = Change.__args__  # type: ignore[attr-defined]
"""What happens to images on the way to a model, in the order in which it is told."""

_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_BAND_PIXELS = 2**20
_BITS_PER_SAMPLE = 258
_PNG_DEPTH = 24
"""Where a PNG has the bits of a sample."""
_PPM_HEADER = 1024
"""The highest value stands in so many bytes, unless there are long comments."""


@dataclass(frozen=True, slots=True)
class Converted:
    """An image as a model sees it, and what was done for that."""

    image: Image.Image
    """Mode RGB."""
    changes: tuple[Change, ...] = ()
    highest: int | None = None
    """The highest sample of an image with 16 bits a channel; None for any other."""
    keyed: bool = False
    """Whether one gray level or color stands for transparency."""
    inverted: bool = False
    """Whether 0 is white in the file, and Pillow does not say so."""


def to_rgb(image: Image.Image, data: bytes, reopen: Reopen, name: str, bits: int = FULL) -> Converted:
    """Convert a loaded image.

    Args:
        image: the image.
        data: its file.
        reopen: opens it once more.
        name: for messages.
        bits: what the set uses of the 16 bits of a channel; more than that is white.

    Raises:
        ImageError: its values have no scale.
    """
    key = image.info.get("transparency") if image.format == "PNG" and not image.mode.startswith("P") else None
    depth = _depth(image, data)
    wide = open_wide(image, depth, reopen, name)
    if wide is not None:
        return _from_wide(wide, key, bits, inverted=is_inverted(image))
    if key is not None and image.mode in ("1", "L", "RGB"):
        return _keyed(image, key, depth)
    if image.mode in _ALPHA or "transparency" in image.info:
        layer = image.convert("LA") if image.mode == "La" else image
        layer = layer if layer.mode == "RGBA" else layer.convert("RGBA")
        return _on_white(layer, image.mode in ("P", "PA"))
    if image.mode == "F":
        inverted = is_inverted(image)
        return Converted(_from_float(np.asarray(image), name, inverted=inverted), ("float",), inverted=inverted)
    if image.mode == "P":
        return Converted(image.convert("RGB"), ("palette",))
    if image.mode == "CMYK":
        return Converted(image.convert("RGB"), ("cmyk",))
    if image.mode in ("LAB", "HSV", "YCbCr"):
        return Converted(image.convert("RGB"), ("color_space",))
    return Converted(image if image.mode == "RGB" else image.convert("RGB"))


def _depth(image: Image.Image, data: bytes) -> int:
    """Bits of a sample in the file, as far as they matter."""
    if image.format == "PNG":
        return data[_PNG_DEPTH]
    if image.format == "PPM":
        return FULL if b"65535" in data[:_PPM_HEADER] else 8
    tags = getattr(image, "tag_v2", None)
    bits = tags.get(_BITS_PER_SAMPLE, 8) if tags is not None else 8
    return max(bits) if isinstance(bits, tuple) and bits else 8


def _on_white(layer: Image.Image, palette: bool) -> Converted:
    """Lay an RGBA image on white."""
    alpha = layer.getchannel("A")
    changes: tuple[Change, ...] = ("palette",) if palette else ()
    if alpha.getextrema() == (255, 255):
        return Converted(layer.convert("RGB"), changes)
    white = Image.new("RGB", layer.size, "white")
    white.paste(layer, mask=alpha)
    return Converted(white, ("transparency", *changes))


def _keyed(image: Image.Image, key: int | tuple[int, ...], depth: int) -> Converted:
    """Lay an image on white in which one gray level or color, as stored in ``depth`` bits, is transparent."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    levels = (1 << depth) - 1
    color = tuple(255 * value // levels for value in (key if isinstance(key, tuple) else (key,) * 3))
    keyed = False
    for top, bottom in _bands(rgb):
        pixels = np.asarray(rgb.crop((0, top, rgb.width, bottom)))
        clear = (pixels == np.array(color)).all(axis=2)
        if clear.any():
            rgb = rgb if keyed else rgb.copy()
            keyed = True
            rgb.paste(Image.fromarray(np.where(clear[..., None], np.uint8(255), pixels)), (0, top))
    return Converted(rgb, ("transparency",), keyed=True) if keyed else Converted(rgb)


def _bands(image: Image.Image) -> Iterator[tuple[int, int]]:
    """Rows of an image, from and to, that are worked on at once: few enough to need little memory."""
    step = max(1, _BAND_PIXELS // image.width)
    return ((top, min(top + step, image.height)) for top in range(0, image.height, step))


def _from_wide(wide: WideSamples, key: object, bits: int, *, inverted: bool) -> Converted:
    out = Image.new("RGB", wide.image.size)
    changes: set[Change] = {"wide"}
    highest, keyed = 0, False
    for top, bottom in _bands(out):
        part = _wide_rows(wide.rows(top, bottom), key, bits)
        out.paste(ImageChops.invert(part.image) if inverted else part.image, (0, top))
        changes.update(part.changes)
        highest, keyed = max(highest, part.highest or 0), keyed or part.keyed
    return Converted(out, tuple(change for change in CHANGES if change in changes), highest, keyed, inverted)


def _wide_rows(samples: NDArray[np.uint16], key: object, bits: int) -> Converted:
    channels = 3 if samples.shape[2] >= 3 else 1
    colors, alpha = samples[..., :channels], samples[..., channels:]
    clear = (colors == np.array(key, np.int64)).all(axis=2) if key is not None else np.zeros(0, np.bool_)
    opaque = alpha[..., 0] > 0 if alpha.size else ~clear if clear.any() else np.bool_(True)
    highest = int(colors.max(axis=2).max(where=opaque, initial=0))
    eight = np.minimum(colors >> (bits - 8), 255).astype(np.uint8)
    rgb = eight if channels == 3 else np.repeat(eight, 3, axis=2)
    if alpha.size:
        done = _on_white(Image.fromarray(np.dstack([rgb, (alpha >> 8).astype(np.uint8)])), palette=False)
        return Converted(done.image, done.changes, highest)
    if clear.any():
        rgb[clear] = 255
        return Converted(Image.fromarray(rgb), ("transparency",), highest, keyed=True)
    return Converted(Image.fromarray(rgb), (), highest)


def _from_float(values: NDArray[np.float32], name: str, *, inverted: bool) -> Image.Image:
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        message = f"{name}: floating-point pixels outside 0..1; store the image with 8 or 16 bits"
        raise ImageError(message, Notice.of("float_pixels_out_of_range"))
    levels = np.round((1 - values if inverted else values) * 255)
    return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
