"""What one image may cost in memory, and what a reader leaves on the terminal."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.decode import MAX_SIDE, decode_full
from bench.data.image_error import ImageError
from tests.bench.data.pixels.png_writer import GRAY, GRAY_ALPHA, RGB, RGBA, chunk

LIMITED = """
import resource, sys
from bench.data.audit.scan import perceptual_hash
from bench.data.decode import decode_full, shrink
from bench.errors import DataError
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
try:
    image = decode_full(sys.stdin.buffer.read(), "x").image
    perceptual_hash(image), shrink(image, 224)
    print("read")
except DataError as error:
    print(error)
"""
"""Reads an image in a process that may take so many bytes more than it has."""


def _empty_png(width: int, height: int, color: int, depth: int, *before: bytes) -> bytes:
    """A PNG of one color: few bytes whatever its size."""
    bits = {GRAY: 1, RGB: 3, GRAY_ALPHA: 2, RGBA: 4}[color] * depth
    row = bytes(1 + -(-width * bits // 8))
    packer, rows = zlib.compressobj(1), max(1, 2**20 // len(row))
    packed = (
        b"".join(packer.compress(row * min(rows, height - start)) for start in range(0, height, rows)) + packer.flush()
    )
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *before, chunk(b"IDAT", packed), chunk(b"IEND", b""))
    )


def _read_within_limits(data: bytes, pixels: int = 0) -> str:
    """Read an image with room for four copies of its pixels, and a little; returns "read" or the reason why not."""
    room = 4 * 4 * pixels + 96 * 2**20
    done = subprocess.run([sys.executable, "-c", LIMITED, str(room)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.mark.parametrize(
    ("width", "height", "color", "depth"),
    [(MAX_SIDE, 1000, GRAY, 1), (1000, MAX_SIDE, GRAY, 1), (MAX_SIDE, 1, RGB, 8), (4096, 4096, RGBA, 8),
     (4096, 4096, RGB, 16), (4096, 4096, GRAY_ALPHA, 16)],
)  # fmt: skip
def test_the_largest_images_are_read_within_bounds(width: int, height: int, color: int, depth: int) -> None:
    assert _read_within_limits(_empty_png(width, height, color, depth), width * height) == "read"


@pytest.mark.parametrize(("width", "height"), [(2**26, 1), (1, 2**26), (MAX_SIDE + 1, 8)])
def test_strips_are_refused_before_they_are_decoded(width: int, height: int) -> None:
    claim = f"x: claims {width:,} x {height:,} pixels; a side of more than 65,536 is refused"
    assert _read_within_limits(_empty_png(width, height, GRAY, 1)) == claim


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "TIFF", "WEBP"])
def test_of_hundreds_of_frames_one_is_read(file_format: str) -> None:
    frames = [Image.new("L", (16, 16), index % 256).convert("RGB") for index in range(500)]
    out = io.BytesIO()
    frames[0].save(out, file_format, save_all=True, append_images=frames[1:])
    seen = decode_full(out.getvalue(), "x")
    assert seen.changes[-1] == "first_frame"
    assert seen.pixels.tolist() == np.zeros((16, 16, 3)).tolist()


def test_a_canvas_is_refused_before_it_is_reserved() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (16, 16)).save(out, "WEBP", save_all=True, append_images=[Image.new("RGBA", (16, 16), "red")])
    data = bytearray(out.getvalue())
    data[24:30] = (16382).to_bytes(3, "little") * 2
    assert "claims 16,383 x 16,383 pixels, more than" in _read_within_limits(bytes(data))


def test_a_jpeg_of_endless_passes_is_refused() -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    start = data.rindex(b"\xff\xda")
    again = data[:-2] + data[start:-2] * 200 + data[-2:]
    with pytest.raises(ImageError, match=r"a JPEG in 2.. passes, more than 100; refused"):
        decode_full(again, "x")
    assert decode_full(data, "x").pixels.shape == (64, 64, 3)


def test_what_follows_a_jpeg_is_none_of_its_passes() -> None:
    """A phone's moving picture: a film behind the image, in which the marker of a pass stands by chance."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG", progressive=True, restart_marker_blocks=1)
    film = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0" * 200
    assert decode_full(out.getvalue() + film, "x").pixels.shape == (64, 64, 3)


def test_nothing_is_printed_about_a_damaged_tiff(tmp_path: Path) -> None:
    """libtiff writes to the terminal itself; so does Pillow where nobody has set up logging."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(
        out, "TIFF", compression="tiff_lzw"
    )
    good = out.getvalue()
    for index in range(40):
        damaged = bytearray(good)
        for place in np.random.default_rng(index).integers(8, len(good), 20):
            damaged[place] ^= 0x5A
        (tmp_path / f"{index}.tif").write_bytes(damaged)
    code = (
        "import sys; from pathlib import Path\n"
        "from bench.data.decode import decode; from bench.errors import DataError\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: decode(path.read_bytes(), 'x')\n"
        "    except DataError: pass\n"
        "print('still here', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "still here\n")
