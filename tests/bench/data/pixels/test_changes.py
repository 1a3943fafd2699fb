"""Images and pixel caches that change while a study uses them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.audit import scan
from bench.data.pixels.thumbnails import make_thumbnails
from bench.data.prepare import pixels, prepare
from bench.data.sources import open_source
from bench.errors import DataError
from bench.study.dataset import DatasetSpec
from tests.bench.data.conftest import encoded
from tests.bench.data.pixels.png_writer import GRAY, RGB, png

MakeFolder = Callable[..., Path]


def _overwrite(path: Path, data: bytes) -> None:
    """New content under the old times."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("older", [False, True])
def test_images_that_change_before_a_second_size_is_built_are_refused(make_folder: MakeFolder, older: bool) -> None:
    root = make_folder()
    spec = DatasetSpec(path=root, image_size=16)
    manifest = prepare(spec)
    _overwrite(root / "célula" / "003.png", encoded(999))
    named = "célula/003.png"
    if older:  # a manifest that names no contents still has the fingerprint over all of them
        manifest, named = manifest.model_copy(update={"contents": []}), str(root)
    with pytest.raises(DataError, match=rf"^{named}: the data set changed while it was in use"):
        pixels(manifest, spec, 20)
    assert not list(pixels(manifest, spec, 16).parent.glob("*-20-*"))
    assert not list(pixels(manifest, spec, 16).parent.glob("stage-*"))


def test_images_that_change_places_are_refused(make_folder: MakeFolder) -> None:
    root = make_folder()
    spec = DatasetSpec(path=root, image_size=16)
    manifest = prepare(spec)
    one, other = root / "célula" / "003.png", root / "blue cell" / "001.png"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    with pytest.raises(DataError, match=r"^blue cell/001\.png: the data set changed"):
        pixels(manifest, spec, 20)


def test_a_report_shows_no_other_images(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder()
    spec = DatasetSpec(path=root, image_size=16)
    manifest = prepare(spec)
    name = manifest.names[manifest.rows("test")[0]]
    shutil.copyfile(root / manifest.names[manifest.rows("train")[0]], root / name)
    with pytest.raises(DataError, match=f"^{name}: the data set changed"):
        make_thumbnails(manifest, spec, tmp_path / "thumbnails.parquet")


class _Restless:
    """A reader of copies of one image, which are others when they are read for the second time."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def read(self, name: str) -> bytes:
        again = name in self.seen
        self.seen.add(name)
        return encoded(1 if again else 0)


def test_images_that_change_during_the_audit_are_refused() -> None:
    with pytest.raises(DataError, match=r"^a: the data set changed"):
        scan.examine(_Restless(), ["a", "b"])


def _twelve_bits(root: Path, color: int = GRAY, top: int = 4095) -> Path:
    """Two classes of images that use 12 of 16 bits."""
    for number, label in enumerate(("a", "b")):
        (root / label).mkdir(parents=True)
        for index in range(6):
            shape = (24, 24, 1 if color == GRAY else 3)
            samples = np.random.default_rng(10 * number + index).integers(0, top // 2, shape)
            samples[0, 0] = top
            (root / label / f"{index}.png").write_bytes(png(samples, color, 16))
    return root


@pytest.mark.parametrize("color", [GRAY, RGB])
def test_a_set_of_twelve_bits_keeps_its_levels(tmp_path: Path, color: int) -> None:
    spec = DatasetSpec(path=_twelve_bits(tmp_path / "set", color), image_size=24)
    manifest = prepare(spec, cache_dir=tmp_path / "c")
    assert manifest.audit.sample_bits == 12
    assert manifest.warnings == []
    (said,) = manifest.audit.conversions
    assert (said.code, said.values) == ("pixels_wide", {"count": 12, "bits": 12, "highest": 4095})
    for size in (24, 20):  # filled by the audit; built later
        assert len(np.unique(np.load(pixels(manifest, spec, size, cache_dir=tmp_path / "c")))) > 120
    again = prepare(spec, cache_dir=tmp_path / "c")
    assert again.model_copy(update={"seconds": manifest.seconds}) == manifest
    make_thumbnails(manifest, spec, tmp_path / "thumbnails.parquet")


def test_the_same_images_in_a_brighter_set_are_other_pixels(tmp_path: Path) -> None:
    root = _twelve_bits(tmp_path / "set")
    spec = DatasetSpec(path=root, image_size=24)
    before = prepare(spec, cache_dir=tmp_path / "c")
    bright = np.random.default_rng(99).integers(0, 65535, (24, 24, 1))
    bright[0, 0] = 65535
    (root / "a" / "bright.png").write_bytes(png(bright, GRAY, 16))
    found = prepare(spec, cache_dir=tmp_path / "c")
    assert found.audit.sample_bits == 16
    said = next(notice for notice in found.warnings if notice.code == "few_gray_levels")
    assert said.values == {"count": 12, "images": 13, "bits": 16, "levels": 64}
    (root / "a" / "bright.png").write_bytes(encoded(3))  # which has 8 bits
    assert prepare(spec, cache_dir=tmp_path / "c").audit.sample_bits == before.audit.sample_bits == 12


def test_sixteen_full_bits_are_read_as_ever(tmp_path: Path) -> None:
    spec = DatasetSpec(path=_twelve_bits(tmp_path / "set", top=65535), image_size=24)
    facts = scan.examine(open_source(spec).reader, ["a/0.png"])
    assert facts[0].reading == ""
