"""Bytes of an image file -> pixels, or an `ImageError` with the reason.

What becomes of color modes, depths, transparency and orientation stands in `bench.data.pixels.convert`. Of an animation
the first frame counts. What one image may cost in memory and time is bounded here.
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from bench.data.damage import DAMAGE
from bench.data.foreign_formats import by_content
from bench.data.image_error import ImageError
from bench.data.jpeg_end import with_end
from bench.data.jpeg_passes import count_passes
from bench.data.pixels.convert import CHANGES, Change, to_rgb
from bench.data.pixels.orientation import read_orientation, upright
from bench.data.pixels.tiff_samples import check_tiff, samples_not_read
from bench.data.pixels.wide_samples import FULL
from bench.data.png_chunks import is_png, without_metadata
from bench.data.quiet import quiet
from bench.results.notice import Notice

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE",
    "Decoded",
    "ImageError",
    "decode",
    "decode_full",
    "encode_ppm",
    "resize",
    "shrink",
]

MAX_PIXELS = 8192 * 8192
"""An image that claims more pixels than this is refused before memory is reserved for them."""

_MAX_PASSES = 100
"""A progressive JPEG may be written in so many passes over the image; usual are ten."""

MAX_SIDE = 2**16
"""A strip that is longer than this is refused: Pillow needs 50 bytes or so for each pixel of the side, whatever the
other one is."""

# Named one by one, since some of Pillow's other readers start programs (EPS) or are seldom maintained.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# What Pillow's readers are known to raise on damaged files.
_BROKEN = (*DAMAGE, AssertionError, SyntaxError)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)

logging.getLogger("PIL").setLevel(logging.CRITICAL)  # it would print what it thinks of damaged files


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image and how it was stored."""

    image: Image.Image
    """Upright, mode RGB."""
    mode: str
    """Pillow's mode of the file: ``RGB``, ``L``, ``CMYK``, ..."""
    format: str
    """``JPEG``, ``PNG``, ..."""
    changes: tuple[Change, ...] = ()
    """What was done to it, in the order of ``CHANGES``."""
    highest: int | None = None
    """The highest sample of an image with 16 bits a channel; None for any other."""
    reading: str = ""
    """Rules that its pixels depend on and most images do not need; part of a data set's fingerprint."""

    @property
    def rotated(self) -> bool:
        """Whether it was turned upright."""
        return "rotated" in self.changes

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image as an array, height x width x 3."""
        return cast("NDArray[np.uint8]", np.asarray(self.image))


def decode(data: bytes, name: str, bits: int = FULL) -> NDArray[np.uint8]:
    """Return the image in ``data`` as 8-bit RGB, height x width x 3; ``name`` is for the message.

    bits: what the set uses of the 16 bits a channel that some images have.

    Raises:
        ImageError: it is not an image, is cut short, has no scale, or is larger than is allowed.
    """
    return decode_full(data, name, bits).pixels


def decode_full(data: bytes, name: str, bits: int = FULL) -> Decoded:
    """Like `decode`, with how the image was stored."""
    if not data:
        raise ImageError(f"{name}: the file is empty", Notice.of("file_empty"))
    _check_cost(data, name)
    with warnings.catch_warnings(), quiet() if data.startswith(_TIFF) else nullcontext():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decode_pixels(data, name, bits)
        except UnidentifiedImageError as error:
            raise _not_an_image(data, name) from error
        except _BOMBS as error:
            message = f"{name}: claims more than {MAX_PIXELS:,} pixels; refused"
            raise ImageError(message, Notice.of("more_pixels_than", limit=MAX_PIXELS)) from error
        except _BROKEN as error:
            reason = _reason(error)
            message = f"{name}: damaged or cut short ({reason})"
            raise ImageError(message, Notice.of("damaged_image", reason=reason)) from error


def _not_an_image(data: bytes, name: str) -> ImageError:
    if foreign := by_content(data):
        return ImageError(f"{name}: {foreign.reason}", foreign.notice)
    if data.startswith(_TIFF):
        return samples_not_read(name)
    message = f"{name}: not an image (JPEG, PNG, TIFF, BMP, GIF and WebP can be read)"
    return ImageError(message, Notice.of("not_an_image"))


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _check_cost(data: bytes, name: str) -> None:
    """Refuse what would take memory or time before Pillow can be asked for its size."""
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) >= 30:
        width, height = (1 + int.from_bytes(data[place : place + 3], "little") for place in (24, 27))
        _check_size(width, height, name)
    if data[:2] == b"\xff\xd8" and data.count(b"\xff\xda") > _MAX_PASSES:  # they may stand in what follows the image
        passes = count_passes(data)
        if passes > _MAX_PASSES:
            message = f"{name}: a JPEG in {passes:,} passes, more than {_MAX_PASSES}; refused"
            raise ImageError(message, Notice.of("too_many_passes", passes=passes, limit=_MAX_PASSES))


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        message = f"{name}: claims {width:,} x {height:,} pixels, more than {MAX_PIXELS:,}; refused"
        raise ImageError(message, Notice.of("too_many_pixels", width=width, height=height, limit=MAX_PIXELS))
    if max(width, height) > MAX_SIDE:
        message = f"{name}: claims {width:,} x {height:,} pixels; a side of more than {MAX_SIDE:,} is refused"
        raise ImageError(message, Notice.of("side_too_long", width=width, height=height, limit=MAX_SIDE))


def _decode_pixels(data: bytes, name: str, bits: int) -> Decoded:
    """Decode; where that fails, once more with what is wrong around whole pixels put right."""
    try:
        return _decode(data, name, bits)
    except ImageError:
        raise
    except _BROKEN:
        mended: bytes | None = None
        change: Change = "metadata"
        if is_png(data):
            mended = without_metadata(data)
        elif mended := with_end(data, _all_pixels):
            change = "end"
        if mended is None:
            raise
    return _decode(mended, name, bits, (change,))


def _all_pixels(data: bytes) -> Image.Image:
    with _open(data) as image:
        _check_size(*image.size, "")
        image.load()
        return image


def _open(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _decode(data: bytes, name: str, bits: int, before: tuple[Change, ...] = ()) -> Decoded:
    with _open(data) as image:
        _check_size(*image.size, name)
        mode, kind = image.mode, image.format or "?"
        profile = image.info.get("icc_profile")
        check_tiff(image, name)
        stored = read_orientation(image) if kind == "TIFF" else None
        image.load()
        orientation, where = stored or read_orientation(image)  # a PNG may have it behind the pixels
        done = to_rgb(image, data, lambda: _open(data), name, bits)
        turned_by_pillow = kind == "TIFF" and where == "exif"
        rgb = done.image if turned_by_pillow else upright(done.image, orientation)
        changes = {*before, *done.changes, *_unseen(image, profile)}
        before_xmp = "exif" in image.info or kind == "TIFF" or where == "exif"
    if orientation > 1:
        changes.add("rotated")
    told = tuple(change for change in CHANGES if change in changes)
    rules = [
        "key" if done.keyed else "",
        "inverted" if done.inverted else "",
        "ppm" if done.highest is not None and kind == "PPM" and mode == "RGB" else "",
        "xmp" if orientation > 1 and not before_xmp else "",
        f"{bits} bits" if done.highest is not None and bits != FULL else "",
    ]
    return Decoded(rgb, mode, kind, told, done.highest, ", ".join(filter(None, rules)))


def _unseen(image: Image.Image, profile: bytes | None) -> set[Change]:
    """What the file holds and no model sees."""
    found: set[Change] = set()
    if profile and b"sRGB" not in profile and b"s\0R\0G\0B" not in profile:
        found.add("profile")
    try:
        animated = getattr(image, "is_animated", False)  # a GIF looks for a second frame, no further
    except _BROKEN:
        animated = True
    if animated:
        found.add("first_frame")
    return found


def resize(array: NDArray[np.uint8], size: int, how: Literal["squash", "crop"] = "squash") -> NDArray[np.uint8]:
    """Return ``array`` (height x width x 3) as ``size`` x ``size`` x 3, bilinear with antialiasing.

    ``squash`` ignores the image's shape; ``crop`` cuts the largest square out of the middle.
    """
    return cast("NDArray[np.uint8]", np.asarray(shrink(Image.fromarray(array), size, how)))


def shrink(image: Image.Image, size: int, how: Literal["squash", "crop"] = "squash") -> Image.Image:
    """Like `resize`, of a Pillow image."""
    width, height = image.size
    if height == width == size:
        return image
    box: tuple[float, float, float, float] | None = None
    if how == "crop":
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


def encode_ppm(array: NDArray[np.uint8]) -> bytes:
    """Return ``array`` (height x width x 3, RGB) as the bytes of a PPM file: lossless, and nearly free."""
    height, width = array.shape[:2]
    return b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(array).tobytes()
