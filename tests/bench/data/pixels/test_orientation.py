"""Images are turned upright as their EXIF data says, or their XMP data where EXIF says nothing."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.data.decode import decode_full
from tests.bench.data.pixels.png_writer import RGB, chunk, png

PIXELS = np.zeros((4, 6, 3), np.uint8)
PIXELS[0, 0], PIXELS[0, 5], PIXELS[3, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)

UPRIGHT = {
    1: PIXELS,
    2: PIXELS[:, ::-1],
    3: PIXELS[::-1, ::-1],
    4: PIXELS[::-1],
    5: PIXELS.transpose(1, 0, 2),
    6: np.rot90(PIXELS, -1),
    7: PIXELS[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(PIXELS),
}
"""What is to be seen of these pixels stored with each orientation."""

LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}}


def _saved(file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, file_format, **options)
    return out.getvalue()


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def _xmp(orientation: int | str, form: str = 'tiff:Orientation="{}"') -> bytes:
    text = form.format(orientation)
    inside = f"<rdf:Description {text}/>" if "=" in text else f"<rdf:Description>{text}</rdf:Description>"
    return f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>{inside}</rdf:RDF></x:xmpmeta>".encode()


def _png_xmp(xmp: bytes, *before: bytes, after: bytes = b"") -> bytes:
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    return png(PIXELS, RGB, 8, text, *before, after=after)


def _tiff_tag(orientation: int) -> dict[str, Any]:
    return {"tiffinfo": {0x0112: orientation}}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", LOSSLESS)
def test_exif_is_followed_and_reported(file_format: str, orientation: int) -> None:
    options = _tiff_tag(orientation) if file_format == "TIFF" else {"exif": _exif(orientation)}
    seen = decode_full(_saved(file_format, **LOSSLESS[file_format], **options), "x")
    assert seen.pixels.tolist() == UPRIGHT[orientation].tolist()
    assert seen.rotated == (orientation > 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", LOSSLESS)
def test_xmp_is_followed_where_there_is_no_exif(file_format: str, orientation: int) -> None:
    if file_format == "PNG":
        data = _png_xmp(_xmp(orientation))
    elif file_format == "TIFF":
        data = _saved("TIFF", tiffinfo={700: _xmp(orientation)})
    else:
        data = _saved(file_format, **LOSSLESS[file_format], xmp=_xmp(orientation))
    seen = decode_full(data, "x")
    assert seen.pixels.tolist() == UPRIGHT[orientation].tolist()
    assert seen.rotated == (orientation > 1)


@pytest.mark.parametrize(
    "form", ['tiff:Orientation="{}"', "tiff:Orientation = '{}'", "<tiff:Orientation>{}</tiff:Orientation>"]
)
def test_xmp_of_a_jpeg_in_any_form(form: str) -> None:
    segment = b"http://ns.adobe.com/xap/1.0/\0" + _xmp(6, form)
    plain = _saved("JPEG")
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    seen = decode_full(data, "x")
    assert seen.pixels.shape == (6, 4, 3)
    assert seen.changes == ("rotated",)
    assert seen.reading == "xmp"  # an older version read it otherwise


def test_exif_counts_more_than_xmp() -> None:
    for orientation in (1, 3):
        data = _png_xmp(_xmp(6), after=chunk(b"eXIf", _exif(orientation)[6:]))
        assert decode_full(data, "x").pixels.tolist() == UPRIGHT[orientation].tolist()


@pytest.mark.parametrize("orientation", [0, 9, 255])
@pytest.mark.parametrize("where", ["exif", "xmp", "tiff"])
def test_what_is_no_orientation_is_neither_followed_nor_reported(where: str, orientation: int) -> None:
    data = {
        "exif": _saved("PNG", exif=_exif(orientation)),
        "xmp": _png_xmp(_xmp(orientation)),
        "tiff": _saved("TIFF", **_tiff_tag(orientation)),
    }[where]
    seen = decode_full(data, "x")
    assert seen.pixels.tolist() == PIXELS.tolist()
    assert not seen.rotated


def _broken_exif(tag: int, kind: int, count: int, value: bytes) -> bytes:
    """EXIF data with orientation 6, then a tag that cannot be right."""
    entries = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack(">HHI", tag, kind, count) + value
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 2) + entries + bytes(4) + bytes(8)


BROKEN = {
    "division by zero": _broken_exif(0x011A, 5, 1, struct.pack(">I", 38)),
    "beyond the end": _broken_exif(0x011A, 5, 1, struct.pack(">I", 2**31)),
    "unknown type": _broken_exif(0x011A, 99, 1, b"\0\0\0\0"),
    "endless": _broken_exif(0x010E, 2, 2**32 - 1, b"\0\0\0\x08"),
    "pointer to nowhere": _broken_exif(0x8769, 4, 1, struct.pack(">I", 2**31)),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_broken_tag_beside_a_good_orientation_takes_nothing_away(fault: str, file_format: str) -> None:
    exif = BROKEN[fault]
    if file_format == "JPEG":
        plain = _saved("JPEG")
        data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    elif file_format == "PNG":
        data = png(PIXELS, RGB, 8, chunk(b"eXIf", exif[6:]))
    else:
        data = _saved("WEBP", lossless=True, exif=exif)
    seen = decode_full(data, "x")
    assert seen.rotated
    assert seen.pixels.shape == (6, 4, 3)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage", b"", b"Exif\0\0MM\0*\0\0\0\x08\0\x05"])
def test_exif_that_is_none_leaves_the_image_as_it_is(exif: bytes) -> None:
    data = png(PIXELS, RGB, 8, chunk(b"eXIf", exif))
    assert decode_full(data, "x").pixels.tolist() == PIXELS.tolist()
