"""What a source says of its files without reading them changes whenever their content may have changed."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.prepare import prepare
from bench.data.sources import open_source
from bench.data.sources.stamp import Stamp
from bench.study.dataset import DatasetSpec

Change = Callable[[Path, Path], None]


def _swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def _rewrite(one: Path, other: Path) -> None:
    before, first, second = one.stat(), one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    for path in (one, other):
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _bitmaps(root: Path) -> Path:
    """Two classes of bitmaps of one size and one time."""
    for number, label in enumerate(("dark", "light")):
        (root / label).mkdir(parents=True)
        for index in range(6):
            path = root / label / f"{index}.bmp"
            noise = np.random.default_rng(10 * number + index).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path)
            os.utime(path, (10**9, 10**9))
    return root


@pytest.mark.parametrize("change", [_swap, _rewrite])
@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_files_that_change_places_are_another_data_set(tmp_path: Path, kind: str, change: Change) -> None:
    root = _bitmaps(tmp_path / "set")
    path = root
    if kind == "csv":
        path = root / "list.csv"
        lines = [f"{label}/{index}.bmp,{label}" for label in ("dark", "light") for index in range(6)]
        path.write_text("\n".join(["path,label", *lines]))
    spec = DatasetSpec(path=path, image_size=8)
    before = prepare(spec, cache_dir=tmp_path / "cache")
    change(root / "dark" / "3.bmp", root / "light" / "4.bmp")
    found = prepare(spec, cache_dir=tmp_path / "cache").fingerprint
    assert found != before.fingerprint
    assert found == prepare(spec, cache_dir=tmp_path / "fresh").fingerprint


@pytest.mark.parametrize("change", [_swap, _rewrite])
def test_a_zip_in_place_of_another_is_another_stamp(tmp_path: Path, change: Change) -> None:
    root = _bitmaps(tmp_path / "set")
    for name in ("one.zip", "other.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for file in sorted(root.rglob("*.bmp")):
                archive.write(file, file.relative_to(root).as_posix())
        os.utime(tmp_path / name, (10**9, 10**9))
    spec = DatasetSpec(path=tmp_path / "one.zip", image_size=8)
    before = open_source(spec).stamp
    assert open_source(spec).stamp == before
    change(tmp_path / "one.zip", tmp_path / "other.zip")
    assert open_source(spec).stamp != before


def test_a_stamp_waits_until_a_second_write_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    file = tmp_path / "a"
    file.write_bytes(b"x")
    info = list(file.stat())
    fine, coarse, old = 5_000_000_001, 5_000_000_000, 1_000_000_000
    for changed in (fine, coarse, old):
        monkeypatch.setattr("time.time", lambda: 5.001)
        stamp = Stamp()
        stamp.add_file("a", os.stat_result(info, {"st_ctime_ns": changed, "st_mtime_ns": old}))
        stamp.value()
    assert 0 < waited[0] < 0.1
    assert 1 < waited[1] < 3
    assert waited[2] == 0
