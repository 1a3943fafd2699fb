"""A PNG whose pixels are whole is read, whatever its metadata."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from bench.data.decode import decode_full
from bench.data.image_error import ImageError
from bench.data.png_chunks import without_metadata
from tests.bench.data.pixels.png_writer import GRAY, RGB, chunk, png

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6, 3))
LARGE = zlib.compress(bytes(3 * 2**19))
DAMAGED = chunk(b"tEXt", b"Comment\0hello")[:-1] + b"?"

METADATA = {
    "profile": chunk(b"iCCP", b"p\0\0" + LARGE),
    "compressed text": chunk(b"zTXt", b"Comment\0\0" + LARGE),
    "compressed international text": chunk(b"iTXt", b"Comment\0\1\0\0\0" + LARGE),
    "many texts": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**20 - 1))) * 65,
    "checksum of a text": DAMAGED,
    "compression of a text": chunk(b"zTXt", b"Comment\0\0nonsense"),
    "compression of a profile": chunk(b"iCCP", b"p\0\0nonsense"),
    "time": chunk(b"tIME", b"x"),
    "resolution": chunk(b"pHYs", b"x"),
    "animation": chunk(b"acTL", b"x"),
}


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("what", METADATA)
def test_whole_pixels_are_read_beside_any_metadata(what: str, behind: bool) -> None:
    data = png(PIXELS, RGB, 8, after=METADATA[what]) if behind else png(PIXELS, RGB, 8, METADATA[what])
    seen = decode_full(data, "x")
    assert seen.pixels.tolist() == PIXELS.tolist()
    assert set(seen.changes) <= {"metadata"}


def test_what_matters_for_the_pixels_stays() -> None:
    key = chunk(b"tRNS", b"\0\0")
    seen = decode_full(png(PIXELS[..., :1] // 128 * 7, GRAY, 8, key, METADATA["profile"]), "x")
    assert set(np.unique(seen.pixels)) == {7, 255}
    assert seen.changes == ("transparency", "metadata")


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_damaged_pixels_are_refused_all_the_same(place: float) -> None:
    data = bytearray(png(PIXELS, RGB, 8))
    data[int(place * len(data))] ^= 0x55
    data[33:33] = METADATA["profile"]
    with pytest.raises(ImageError, match="damaged or cut short"):
        decode_full(bytes(data), "x")
    with pytest.raises(ImageError, match="damaged or cut short"):
        decode_full(png(PIXELS, RGB, 8, METADATA["profile"])[:-40], "x")


def test_a_file_without_metadata_has_nothing_to_lose() -> None:
    assert without_metadata(png(PIXELS, RGB, 8)) is None
    slim = without_metadata(png(PIXELS, RGB, 8, *METADATA.values()))
    assert slim == png(PIXELS, RGB, 8)
