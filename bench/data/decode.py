"""Bytes of an image file -> pixels, or an `ImageError` with the reason.

Every image becomes 8-bit RGB. Transparency is laid on white (the background of a microscope's field), gray is
repeated, 16 bits keep their upper 8, CMYK and palettes are converted, and the EXIF rotation is applied. Of an
animation the first frame counts.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.data.foreign_formats import by_content
from bench.errors import DataError
from bench.results.notice import Notice

__all__ = [
    "MAX_PIXELS",
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

# Named one by one, since some of Pillow's other readers start programs (EPS) or are seldom maintained.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")

# What Pillow's readers are known to raise on damaged files.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    EOFError,
    MemoryError,
    AttributeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class ImageError(DataError):
    """An image that cannot be used; ``notice`` has the reason, for the record of the run."""

    def __init__(self, message: str, notice: Notice) -> None:
        super().__init__(message)
        self.notice = notice

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, Notice]]:
        return ImageError, (str(self), self.notice)  # it travels between processes


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image and how it was stored."""

    image: Image.Image
    """Upright, mode RGB."""
    mode: str
    """Pillow's mode of the file: ``RGB``, ``L``, ``CMYK``, ..."""
    format: str
    """``JPEG``, ``PNG``, ..."""
    rotated: bool
    """Whether an EXIF rotation was applied."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image as an array, height x width x 3."""
        return cast("NDArray[np.uint8]", np.asarray(self.image))


def decode(data: bytes, name: str) -> NDArray[np.uint8]:
    """Return the image in ``data`` as 8-bit RGB, height x width x 3; ``name`` is for the message.

    Raises:
        ImageError: it is not an image, is cut short, or claims more than ``MAX_PIXELS`` pixels.
    """
    return decode_full(data, name).pixels


def decode_full(data: bytes, name: str) -> Decoded:
    """Like `decode`, with how the image was stored."""
    if not data:
        raise ImageError(f"{name}: the file is empty", Notice.of("file_empty"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decode(data, name)
        except UnidentifiedImageError as error:
            if foreign := by_content(data):
                raise ImageError(f"{name}: {foreign.reason}", foreign.notice) from error
            message = f"{name}: not an image (JPEG, PNG, TIFF, BMP, GIF and WebP can be read)"
            raise ImageError(message, Notice.of("not_an_image")) from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            message = f"{name}: claims more than {MAX_PIXELS:,} pixels; refused"
            raise ImageError(message, Notice.of("more_pixels_than", limit=MAX_PIXELS)) from error
        except _BROKEN as error:
            reason = _reason(error)
            message = f"{name}: damaged or cut short ({reason})"
            raise ImageError(message, Notice.of("damaged_image", reason=reason)) from error


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _decode(data: bytes, name: str) -> Decoded:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            message = f"{name}: claims {width:,} x {height:,} pixels, more than {MAX_PIXELS:,}; refused"
            raise ImageError(message, Notice.of("too_many_pixels", width=width, height=height, limit=MAX_PIXELS))
        mode, kind = image.mode, image.format or "?"
        image.load()
        upright = ImageOps.exif_transpose(image) if _orientation(image) > 1 else image
        rgb = _to_rgb(upright, name)
    return Decoded(rgb, mode, kind, upright is not image)


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(0x0112, 1) if "exif" in image.info or image.format == "TIFF" else 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if image.mode.startswith("I"):  # 16 bits, which older Pillow reads as 32
        gray = (np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8).astype(np.uint8)
        return Image.fromarray(gray).convert("RGB")
    if image.mode == "F":
        values = np.asarray(image)
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            message = f"{name}: floating-point pixels outside 0..1; store the image with 8 or 16 bits"
            raise ImageError(message, Notice.of("float_pixels_out_of_range"))
        return Image.fromarray(np.round(values * 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


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
