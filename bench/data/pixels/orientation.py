"""Which way up an image is: what its EXIF data says, or its XMP data where EXIF says nothing."""

from __future__ import annotations

import re
from typing import Literal

from PIL import Image

__all__ = ["Orientation", "read_orientation", "upright"]

_TAG = 0x0112
_XMP = re.compile(rb"Orientation\s*(?:=\s*[\"']|>)\s*([0-9]+)\s*[\"'<]")

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Orientation = tuple[int, Literal["exif", "xmp"]]
"""A number from 1, as stored, to 8, and where it stands."""


def read_orientation(image: Image.Image) -> Orientation:
    """Return the orientation of an image that was opened. What is no number from 1 to 8 counts as 1.

    To be called before a TIFF is loaded, which Pillow turns upright while it does so, by its tag alone: its XMP data is
    taken away here, since Pillow would read that too, each version in its own way.
    """
    found = [image.info.pop(key, None) for key in ("xmp", "XML:com.adobe.xmp")]
    xmp = next(filter(None, found), None)
    stored = _exif(image)
    if stored is not None:
        return (stored if stored in _TURNS else 1), "exif"
    match = _XMP.search(xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp) if xmp else None
    value = int(match[1]) if match else 1
    return (value if value in _TURNS else 1), "xmp"


def _exif(image: Image.Image) -> object:
    """The tag's value; None where there is no such tag, or no EXIF data that can be read."""
    tags = getattr(image, "tag_v2", None)
    try:
        return image.getexif().get(_TAG) if tags is None else tags.get(_TAG)
    except Exception:  # noqa: BLE001 (whatever a damaged tag raises in Pillow, the pixels are whole)
        return None


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return a loaded image turned the right way up; Pillow has done that to a TIFF with such a tag."""
    return image if orientation == 1 else image.transpose(_TURNS[orientation])
