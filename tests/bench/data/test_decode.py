from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.data.decode import decode, decode_full, encode_ppm, resize
from bench.data.image_error import ImageError
from bench.errors import DataError


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def _ramp(mode: str) -> Image.Image:
    gray = Image.fromarray(np.tile(np.arange(0, 240, 10, dtype=np.uint8), (16, 1)))
    return gray.convert(mode)


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("P", "GIF"),
     ("1", "PNG"), ("RGB", "BMP"), ("RGB", "TIFF"), ("RGB", "WEBP"), ("RGB", "PPM")],
)  # fmt: skip
def test_every_mode_becomes_rgb_with_the_same_image(mode: str, file_format: str) -> None:
    image = _ramp(mode)
    pixels = decode(_saved(image, file_format), "x")
    assert pixels.shape == (16, 24, 3)
    assert pixels.dtype == np.uint8
    wanted = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(pixels.astype(int) - wanted).mean() < 6


def test_sixteen_bits_keep_the_upper_eight() -> None:
    values = np.arange(0, 65536, 2048, dtype=np.uint16).reshape(4, 8)
    pixels = decode(_saved(Image.fromarray(values), "PNG"), "x")
    assert (pixels[..., 0] == values >> 8).all()
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 255, 255))
    assert decode(_saved(image, "PNG"), "x").tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_transparent_palette_color_is_laid_on_white() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert decode(_saved(image, "PNG", transparency=0), "x").tolist() == [[[255, 255, 255], [200, 100, 50]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    image = Image.new("RGB", (8, 4), "white")
    image.paste((255, 0, 0), (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = orientation
    seen = decode_full(_saved(image, "PNG", exif=exif), "x")
    assert seen.pixels.shape == ((8, 4, 3) if orientation >= 5 else (4, 8, 3))
    assert seen.rotated == (orientation > 1)
    left_half_red = (seen.pixels[:, : seen.pixels.shape[1] // 2] == [255, 0, 0]).all()
    assert left_half_red == (orientation in (1, 4))


def test_one_pixel_is_an_image() -> None:
    assert decode(_saved(Image.new("L", (1, 1), 7), "PNG"), "x").tolist() == [[[7, 7, 7]]]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP", "GIF"])
def test_a_file_that_is_cut_short_is_refused(file_format: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = _saved(noise, file_format)
    with pytest.raises(DataError, match=r"cell\.img: (damaged or cut short|not an image)"):
        decode(data[: len(data) // 2], "cell.img")


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"not an image at all", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^odd\.jpg: "):
        decode(data, "odd.jpg")


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"]),
)
def test_bytes_of_any_kind_are_an_image_or_a_data_error(data: bytes, start: bytes) -> None:
    try:
        pixels = decode(start + data, "x")
    except DataError:
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3


@given(st.data())
def test_flipped_bytes_never_raise_anything_else(data: st.DataObject) -> None:
    good = bytearray(_saved(_ramp("RGB"), data.draw(st.sampled_from(["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"]))))
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(good), "x")
    except DataError:
        return


def _png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (10_000, 10_000), (2**31 - 1, 1)])
def test_a_huge_claim_is_refused_before_memory_is_taken(width: int, height: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"bomb\.png: claims .*refused"):
            decode(_png_that_claims(width, height), "bomb.png")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.sampled_from(["squash", "crop"]))
def test_resize_gives_the_square_and_keeps_a_flat_color(width: int, height: int, size: int, how: Any) -> None:
    flat = np.full((height, width, 3), (10, 200, 90), dtype=np.uint8)
    small = resize(flat, size, how)
    assert small.shape == (size, size, 3)
    assert (small == [10, 200, 90]).all()


def test_crop_takes_the_middle_and_squash_everything() -> None:
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 255
    assert (resize(wide, 10, "crop") == 255).all()
    assert resize(wide, 10, "squash").min() == 0


def test_ppm_is_lossless() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert (decode(encode_ppm(pixels), "x") == pixels).all()


def _cut_short() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return out.getvalue()[:80]


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "file_empty"), (b"no image at all", "not_an_image"), (_cut_short(), "damaged_image")]
)
def test_the_reason_survives_the_way_between_processes(data: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(data, "a.png")
    sent: ImageError = pickle.loads(pickle.dumps(caught.value))
    assert (str(sent), sent.notice) == (str(caught.value), caught.value.notice)
    assert sent.notice.code == code
