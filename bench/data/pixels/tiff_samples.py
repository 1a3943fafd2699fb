"""Samples of TIFFs that Pillow gives otherwise than they are meant, or not at all."""

from __future__ import annotations

from PIL import Image

from bench.data.image_error import ImageError
from bench.results.notice import Notice

__all__ = ["check_tiff", "is_inverted", "samples_not_read"]

_BITS, _PHOTOMETRIC, _PLANES = 258, 262, 284
_WHITE_IS_ZERO = 0
_SEPARATE = 2


def check_tiff(image: Image.Image, name: str) -> None:
    """Refuse a TIFF with more than 8 bits a channel whose channels lie one after the other.

    Pillow takes their bytes for samples of 8 bits, or each upper byte for the lower one too. Raises `ImageError`.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is None or tags.get(_PLANES) != _SEPARATE:
        return
    bits = tags.get(_BITS, 8)
    if isinstance(bits, tuple) and len(bits) > 1 and max(bits) > 8:
        raise samples_not_read(name)


def samples_not_read(name: str) -> ImageError:
    """Return the error for a TIFF whose samples are not read."""
    message = (
        "a TIFF that is damaged, or whose samples are of a kind that is not read; store it as gray or RGB with 8 or 16 "
        "bits, channels together"
    )
    return ImageError(f"{name}: {message}", Notice.of("tiff_samples_not_read"))


def is_inverted(image: Image.Image) -> bool:
    """Whether 0 is white in a TIFF of one channel; Pillow inverts those of up to 8 bits, and no others."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_PHOTOMETRIC, 1) == _WHITE_IS_ZERO and image.mode.startswith(("I", "F"))
