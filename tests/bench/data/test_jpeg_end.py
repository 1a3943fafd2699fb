"""A JPEG that lacks its last two bytes and nothing else is read; what lacks more is refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.data.decode import decode_full
from bench.data.image_error import ImageError

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8))
FLAT = Image.new("RGB", (64, 64), (200, 30, 30))
KINDS: list[dict[str, Any]] = [{}, {"subsampling": 0}, {"quality": 95}, {"restart_marker_rows": 1}, {"optimize": True}]


def _jpeg(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


@pytest.mark.parametrize("image", [NOISE, FLAT, NOISE.convert("L")])
@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("cut", [1, 2])
def test_whole_pixels_are_read(image: Image.Image, options: dict[str, Any], cut: int) -> None:
    data = _jpeg(image, **options)
    seen = decode_full(data[:-cut], "x")
    assert (seen.pixels == decode_full(data, "x").pixels).all()
    assert seen.changes in (("end",), ())  # where the decoder has not looked for more


@pytest.mark.parametrize("image", [NOISE, FLAT, NOISE.convert("L")])
@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("cut", [6, 8, 20])
def test_what_lacks_pixels_is_refused(image: Image.Image, options: dict[str, Any], cut: int) -> None:
    with pytest.raises(ImageError, match="damaged or cut short"):
        decode_full(_jpeg(image, **options)[:-cut], "x")


def test_of_a_progressive_one_a_pass_may_be_missing() -> None:
    data = _jpeg(NOISE, progressive=True)
    for end in (len(data) - 2, data.rindex(b"\xff\xda"), data.rindex(b"\xff\xda") + 40):
        with pytest.raises(ImageError, match="damaged or cut short"):
            decode_full(data[:end], "x")
