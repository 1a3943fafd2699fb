"""Each row of docs/pixels.md: a file of that kind, and the pixels that a model sees of it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from bench.data.decode import decode, decode_full
from bench.data.image_error import ImageError
from bench.data.pixels.convert import CHANGES
from bench.results.notice import Notice
from reports.text.messages import word
from tests.bench.data.pixels.png_writer import GRAY, GRAY_ALPHA, PALETTE, RGB, RGBA, chunk, png

DOCS = Path(__file__).parents[4] / "docs" / "pixels.md"

Pixels = NDArray[np.integer]

RAMP = np.arange(0, 256, 2).reshape(8, 16, 1)
WIDE = RAMP * 257
COLORS = np.dstack([RAMP, 255 - RAMP, RAMP // 2])
BLUE_SKY = np.where(np.indices((8, 16)).sum(axis=0)[..., None] % 2, 0, COLORS)
"""Colors with every second pixel black."""
ON_WHITE = np.where((BLUE_SKY == 0).all(axis=2, keepdims=True), 255, BLUE_SKY)


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def _gray(values: Pixels) -> Pixels:
    return np.repeat(values, 3, axis=2)


def _transparent(*values: int) -> bytes:
    return chunk(b"tRNS", b"".join(value.to_bytes(2, "big") for value in values))


def _halved(samples: Pixels) -> Pixels:
    """Half transparent, on white."""
    return (samples.astype(int) * 128 + 255 * 127 + 127) // 255


def _tiff16(samples: Pixels, order: str = "<", compress: bool = False, planes: int = 1) -> bytes:
    """A TIFF of 16-bit RGB or RGBA, which Pillow does not write."""
    height, width, channels = samples.shape
    data = samples.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if compress else data
    place = 8 + len(data)
    bits = np.array([16] * channels, f"{order}u2").tobytes()
    tags = [(256, width), (257, height), (258, place), (259, 8 if compress else 1), (262, 2),
            (273, 8), (277, channels), (278, height), (279, len(data)), (284, planes), (338, 2)]  # fmt: skip
    tags = tags[: 10 if channels == 3 else 11]
    entries = b"".join(
        struct.pack(f"{order}HHII", tag, 4, 1, value)
        if tag != 258
        else struct.pack(f"{order}HHII", tag, 3, channels, value)
        for tag, value in tags
    )
    after = struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}I", place + len(bits)) + data + bits + after


def _white_is_zero(samples: NDArray[Any]) -> bytes:
    data, entry = saved(Image.fromarray(samples), "TIFF"), "<HHIHH"
    assert struct.pack(entry, 262, 3, 1, 1, 0) in data
    return data.replace(struct.pack(entry, 262, 3, 1, 1, 0), struct.pack(entry, 262, 3, 1, 0, 0))


def _ppm(samples: Pixels) -> bytes:
    height, width, _ = samples.shape
    return b"P6 %d %d 65535\n" % (width, height) + samples.astype(">u2").tobytes()


ALPHA = np.full((8, 16, 1), 128)
ROWS: dict[str, tuple[bytes, Pixels, tuple[str, ...]]] = {
    "RGB, 8 bits": (png(COLORS, RGB, 8), COLORS, ()),
    "gray, 8 bits": (png(RAMP, GRAY, 8), _gray(RAMP), ()),
    "gray, 1 bit": (png(RAMP >> 7, GRAY, 1), _gray(255 * (RAMP >> 7)), ()),
    "gray, 2 bits": (png(RAMP >> 6, GRAY, 2), _gray(85 * (RAMP >> 6)), ()),
    "gray, 4 bits": (png(RAMP >> 4, GRAY, 4), _gray(17 * (RAMP >> 4)), ()),
    "gray, 16 bits": (png(WIDE, GRAY, 16), _gray(RAMP), ("wide",)),
    "RGB, 16 bits": (png(COLORS * 257, RGB, 16), COLORS, ("wide",)),
    "RGB, 16 bits, filtered": (png(COLORS * 257, RGB, 16, filters=1), COLORS, ("wide",)),
    "RGB, 16 bits, TIFF": (_tiff16(COLORS * 257), COLORS, ("wide",)),
    "RGB, 16 bits, TIFF, big-endian": (_tiff16(COLORS * 257, ">"), COLORS, ("wide",)),
    "RGB, 16 bits, TIFF, compressed": (_tiff16(COLORS * 257, compress=True), COLORS, ("wide",)),
    "RGB, 16 bits, TIFF, both": (_tiff16(COLORS * 257, ">", compress=True), COLORS, ("wide",)),
    "RGBA, 8 bits": (png(np.dstack([COLORS, ALPHA]), RGBA, 8), _halved(COLORS), ("transparency",)),
    "RGBA, 8 bits, opaque": (png(np.dstack([COLORS, ALPHA * 0 + 255]), RGBA, 8), COLORS, ()),
    "RGBA, 16 bits": (
        png(np.dstack([COLORS * 257, ALPHA * 257]), RGBA, 16), _halved(COLORS), ("transparency", "wide"),
    ),
    "RGBA, 16 bits, TIFF": (
        _tiff16(np.dstack([COLORS * 257, ALPHA * 257])), _halved(COLORS), ("transparency", "wide"),
    ),
    "gray with alpha, 8 bits": (png(np.dstack([RAMP, ALPHA]), GRAY_ALPHA, 8), _halved(_gray(RAMP)), ("transparency",)),
    "gray with alpha, 16 bits": (
        png(np.dstack([WIDE, ALPHA * 257]), GRAY_ALPHA, 16), _halved(_gray(RAMP)), ("transparency", "wide"),
    ),
    "gray with alpha, 16 bits, filtered": (
        png(np.dstack([WIDE, ALPHA * 257]), GRAY_ALPHA, 16, filters=1), _halved(_gray(RAMP)), ("transparency", "wide"),
    ),
    "RGB with a transparent color": (png(BLUE_SKY, RGB, 8, _transparent(0, 0, 0)), ON_WHITE, ("transparency",)),
    "RGB, 16 bits, with a transparent color": (
        png(BLUE_SKY * 257, RGB, 16, _transparent(0, 0, 0)), ON_WHITE, ("transparency", "wide"),
    ),
    "gray with a transparent level": (
        png(RAMP, GRAY, 8, _transparent(100)), _gray(np.where(RAMP == 100, 255, RAMP)), ("transparency",),
    ),
    "gray, 4 bits, with a transparent level": (
        png(RAMP >> 4, GRAY, 4, _transparent(3)), _gray(np.where(RAMP >> 4 == 3, 255, 17 * (RAMP >> 4))),
        ("transparency",),
    ),
    "gray, 1 bit, with a transparent level": (
        png(RAMP >> 7, GRAY, 1, _transparent(0)), np.full((8, 16, 3), 255), ("transparency",),
    ),
    "gray, 16 bits, with a transparent level": (
        png(WIDE, GRAY, 16, _transparent(100 * 257)), _gray(np.where(RAMP == 100, 255, RAMP)),
        ("transparency", "wide"),
    ),
    "a transparent color that is not there": (png(COLORS, RGB, 8, _transparent(1, 1, 1)), COLORS, ()),
    "palette": (
        png(RAMP >> 7, PALETTE, 8, chunk(b"PLTE", bytes([9, 8, 7, 200, 100, 50]))),
        np.where(RAMP >> 7 == 0, [9, 8, 7], [200, 100, 50]), ("palette",),
    ),
    "palette with a transparent color": (
        png(RAMP >> 7, PALETTE, 8, chunk(b"PLTE", bytes([9, 8, 7, 200, 100, 50])), chunk(b"tRNS", b"\0")),
        np.where(RAMP >> 7 == 0, [255, 255, 255], [200, 100, 50]), ("transparency", "palette"),
    ),
    "floating point": (
        saved(Image.fromarray((RAMP[..., 0] / 255).astype(np.float32)), "TIFF"), _gray(RAMP), ("float",),
    ),
    "32-bit integers within 0..65535": (
        saved(Image.fromarray(WIDE[..., 0].astype(np.int32)), "TIFF"), _gray(RAMP), ("wide",),
    ),
    "16 bits, 0 is white": (_white_is_zero(WIDE[..., 0].astype(np.uint16)), _gray(255 - RAMP), ("wide",)),
    "floating point, 0 is white": (
        _white_is_zero((RAMP[..., 0] / 255).astype(np.float32)), _gray(255 - RAMP), ("float",),
    ),
    "RGB, 16 bits, PPM": (_ppm(COLORS * 257), COLORS, ("wide",)),
    "CMYK": (
        saved(Image.fromarray(np.dstack([255 - COLORS, 0 * RAMP]).astype(np.uint8), "CMYK"), "TIFF"), COLORS, ("cmyk",),
    ),
    "profile": (
        saved(
            Image.fromarray(COLORS.astype(np.uint8)), "PNG",
            icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
        ), COLORS, ("profile",),
    ),
    "sRGB profile": (
        saved(
            Image.fromarray(COLORS.astype(np.uint8)), "PNG",
            icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        ), COLORS, (),
    ),
    "animation": (
        saved(
            Image.fromarray(COLORS.astype(np.uint8)), "PNG", save_all=True,
            append_images=[Image.new("RGB", (16, 8), "red")],
        ), COLORS, ("first_frame",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_a_model_sees_what_the_table_says(row: str) -> None:
    data, wanted, changes = ROWS[row]
    seen = decode_full(data, "x")
    assert seen.image.mode == "RGB"
    assert seen.pixels.astype(int).tolist() == wanted.tolist()
    assert seen.changes == changes


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_set_of_fewer_bits_is_scaled_by_what_it_uses(bits: int) -> None:
    values = np.arange(1 << bits, dtype=np.int64)[:: 1 << (bits - 8)][:128].reshape(8, 16, 1)
    wanted = _gray(values >> (bits - 8))
    assert (decode(png(values, GRAY, 16), "x", bits) == wanted).all()
    assert (decode(png(_gray(values), RGB, 16), "x", bits) == wanted).all()
    assert (decode(_ppm(_gray(values)), "x", bits) == wanted).all()
    assert (decode(_white_is_zero(values[..., 0].astype(np.uint16)), "x", bits) == 255 - wanted).all()
    assert all(
        (decode(_tiff16(_gray(values), order, compress), "x", bits) == wanted).all()
        for order in "<>"
        for compress in (False, True)
    )
    assert decode_full(png(values, GRAY, 16), "x", bits).highest == values.max()
    assert "bits" in decode_full(png(values, GRAY, 16), "x", bits).reading
    assert decode_full(ROWS["RGB, 8 bits"][0], "x", bits).reading == ""


@pytest.mark.parametrize("value", [-1, 65536, 2**31 - 1])
def test_integers_without_a_scale_are_refused(value: int) -> None:
    image = Image.fromarray(np.full((4, 4), value, np.int32))
    with pytest.raises(ImageError, match=r"outside 0\.\.65535; store the image with 8 or 16 bits"):
        decode(saved(image, "TIFF"), "x")


@pytest.mark.parametrize("compress", [False, True])
def test_planes_of_16_bits_are_refused(compress: bool) -> None:
    """Pillow gives other pixels for them."""
    with pytest.raises(ImageError, match="store it as gray or RGB with 8 or 16 bits, channels together"):
        decode(_tiff16(COLORS * 257, compress=compress, planes=2), "x")


def test_a_tiff_that_pillow_cannot_name_says_what_to_do() -> None:
    data = saved(Image.fromarray(RAMP[..., 0].astype(np.float32)), "TIFF")
    bits = struct.pack("<HHIHH", 258, 3, 1, 32, 0)
    assert bits in data
    with pytest.raises(ImageError, match="of a kind that is not read"):
        decode(data.replace(bits, struct.pack("<HHIHH", 258, 3, 1, 64, 0)), "x")


def test_rules_that_change_pixels_are_part_of_a_fingerprint() -> None:
    readings = {row: decode_full(ROWS[row][0], "x").reading for row in ROWS}
    assert readings["16 bits, 0 is white"] == readings["floating point, 0 is white"] == "inverted"
    assert readings["RGB, 16 bits, PPM"] == "ppm"
    assert readings["RGB, 16 bits, TIFF"] == readings["RGB, 8 bits"] == ""


def test_what_is_clear_does_not_set_the_scale() -> None:
    values = np.where(RAMP == 0, 65535, RAMP)
    assert decode_full(png(values, GRAY, 16, _transparent(65535)), "x").highest == RAMP.max()


def test_every_change_is_in_the_table_and_has_words() -> None:
    table = DOCS.read_text(encoding="utf-8")
    for change in CHANGES:
        said = word(Notice.of(f"pixels_{change}", count=2, bits=12, highest=4095))
        assert re.match(r"2 (JPEG )?images", said)
        assert said.split(": ")[-1] in table
