"""The pixel cache under a cell: what is not as it was built ends the cell with the reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.pixels.cache import building, noted_checksum
from bench.errors import DataError
from bench.training.inputs.pixel_file import PixelFile

ROWS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A pixel cache."""
    path = tmp_path / "cache.npy"
    with building(path, len(ROWS), 8, "squash") as stage:
        assert stage is not None
        with stage.path.open("r+b") as file:
            file.seek(stage.offset)
            file.write(ROWS.tobytes())
    return path


def _zeroed(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(200)
        file.write(bytes(1000))


def _zeroed_in_secret(path: Path) -> None:
    before = path.stat()
    _zeroed(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(path: Path) -> None:
    other = path.with_name("other.npy")
    np.save(other, ROWS[::-1])
    other.replace(path)


def _cut(path: Path) -> None:
    os.truncate(path, 1000)


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _mapped(path: Path) -> None:
    array = np.load(path, mmap_mode="r+")
    array[3] = 0
    array.flush()


CHANGES: list[Callable[[Path], None]] = [_zeroed, _zeroed_in_secret, _replaced, _cut, _emptied, _mapped]


def test_rows_are_read(path: Path) -> None:
    file = PixelFile(path, noted_checksum(path))
    assert file.shape == ROWS.shape
    assert (file.rows(np.array([3, 39, 0])) == ROWS[[3, 39, 0]]).all()


@pytest.mark.parametrize("change", [*CHANGES, Path.unlink])
def test_a_cache_that_changed_before_is_not_read(path: Path, change: Callable[[Path], None]) -> None:
    noted = noted_checksum(path)
    change(path)
    with pytest.raises(
        DataError, match=r"^The pixel cache .* while the study ran. Run the study again with --retry failed"
    ):
        PixelFile(path, noted)


@pytest.mark.parametrize("change", [*CHANGES, Path.unlink])
def test_a_cache_that_changes_meanwhile_is_noticed(path: Path, change: Callable[[Path], None]) -> None:
    file = PixelFile(path, noted_checksum(path))
    file.rows(np.arange(3))
    change(path)
    with pytest.raises(DataError, match=r"^The pixel cache .* while the study ran"):
        file.rows(np.arange(20))


@pytest.mark.parametrize("change", [Path.touch, lambda path: path.chmod(0o600)])
def test_the_same_bytes_may_be_touched(path: Path, change: Callable[[Path], None]) -> None:
    file = PixelFile(path, noted_checksum(path))
    change(path)
    for _ in range(2):
        assert (file.rows(np.arange(3)) == ROWS[:3]).all()


@pytest.mark.parametrize("note", [None, "", "[]", "{}", "\udcff"])
def test_a_lost_checksum_is_reported(path: Path, note: str | None) -> None:
    beside = path.with_suffix(".json")
    if note is None:
        beside.unlink()
    else:
        beside.write_text(note, errors="surrogateescape")
    with pytest.raises(DataError, match="has lost its checksum while the study ran"):
        noted_checksum(path)


def test_what_is_no_array_of_images_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 4, 3), dtype=np.float32))
    (tmp_path / "b.npy").write_bytes(b"x")
    for name in ("a.npy", "b.npy", "c.npy"):
        with pytest.raises(DataError, match="pixel cache"):
            PixelFile(tmp_path / name)
