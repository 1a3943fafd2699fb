from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.cache_dir import cache_folder, no_room
from bench.data.pixels.cache import ready
from bench.data.pixels.stage import compact, new_stage, remove_left_stages
from bench.data.prepare import pixels, prepare
from bench.errors import DataError
from bench.study.dataset import DatasetSpec

MakeFolder = Callable[..., Path]


def test_the_folder_is_the_argument_then_the_variable_then_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(Path("/x")) == Path("/x")
    monkeypatch.setenv("PATCHBENCH_CACHE", "/y")
    assert cache_folder() == Path("/y")
    monkeypatch.delenv("PATCHBENCH_CACHE")
    assert cache_folder().name == "patchbench"


@pytest.mark.parametrize("damage", ["flip", "cut", "no note", "no array", "bad note"])
def test_a_damaged_cache_is_noticed_and_rebuilt(make_folder: MakeFolder, tmp_path: Path, damage: str) -> None:
    spec = DatasetSpec(path=make_folder(), image_size=16)
    manifest = prepare(spec, cache_dir=tmp_path / "c")
    path = pixels(manifest, spec, 16, cache_dir=tmp_path / "c")
    good = np.load(path).copy()
    note = path.with_suffix(".json")
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-5] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-100])
    elif damage == "no note":
        note.unlink()
    elif damage == "no array":
        path.unlink()
    else:
        note.write_text('{"bytes": "x"}')
    assert not ready(path)
    assert pixels(manifest, spec, 16, cache_dir=tmp_path / "c") == path
    assert ready(path)
    assert (np.load(path) == good).all()


def test_what_is_there_is_not_built_again(make_folder: MakeFolder, tmp_path: Path) -> None:
    spec = DatasetSpec(path=make_folder(), image_size=16)
    manifest = prepare(spec, cache_dir=tmp_path / "c")
    path = pixels(manifest, spec, 16, cache_dir=tmp_path / "c")
    before = path.stat()
    seen: list[object] = []
    pixels(manifest, spec, 16, cache_dir=tmp_path / "c", progress=lambda *state: seen.append(state))
    assert seen == []
    assert path.stat().st_ino == before.st_ino
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".json", ".npy"]


def test_two_processes_build_it_at_once_without_harm(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(40)
    code = (
        "import sys; from pathlib import Path\n"
        "import numpy as np; from bench.study.dataset import *; from bench.data.prepare import *\n"
        f"spec = DatasetSpec(path=Path({str(root)!r}), image_size=64)\n"
        f"cache = Path({str(tmp_path / 'c')!r})\n"
        "manifest = prepare(spec, cache_dir=cache)\n"
        "for size in (64, 48): print(np.load(pixels(manifest, spec, size, cache_dir=cache)).sum())\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, outputs
    assert len({out for out, _ in outputs}) == 1
    left = sorted(file.suffix for file in (tmp_path / "c" / "pixels").iterdir())
    assert left == [".json", ".json", ".npy", ".npy"]


def test_a_killed_builder_leaves_nothing_that_looks_whole(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(10)
    code = (
        "import os; from pathlib import Path\n"
        "import numpy as np; from bench.study.dataset import *; from bench.data.prepare import *\n"
        f"spec = DatasetSpec(path=Path({str(root)!r}), image_size=64)\n"
        f"prepare(spec, cache_dir=Path({str(tmp_path / 'c')!r}), progress=lambda *_: os._exit(9))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    left = list((tmp_path / "c" / "pixels").iterdir())
    assert [file.name.startswith("stage-") for file in left] == [True]
    spec = DatasetSpec(path=root, image_size=64)
    manifest = prepare(spec, cache_dir=tmp_path / "c")
    assert np.load(pixels(manifest, spec, 64, cache_dir=tmp_path / "c")).shape[0] == 20
    assert not list((tmp_path / "c" / "pixels").glob("stage-*"))


def test_a_cache_that_is_whole_is_a_reason_to_tidy_up(make_folder: MakeFolder, tmp_path: Path) -> None:
    spec = DatasetSpec(path=make_folder(10), image_size=16)
    manifest = prepare(spec, cache_dir=tmp_path)
    path = pixels(manifest, spec, 16, cache_dir=tmp_path)
    left = path.with_name("stage-left.npy")
    left.write_bytes(b"x")
    with new_stage(path.parent, 3, 4, "squash") as used:
        assert not left.exists()
        left.write_bytes(b"x")
        pixels(manifest, spec, 16, cache_dir=tmp_path)
        assert (left.exists(), used.path.exists()) == (False, True)


def test_a_stage_in_use_stays_without_locks_until_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with new_stage(tmp_path, 3, 4, "squash") as used, new_stage(tmp_path, 3, 4, "squash") as other:
        assert used.path.exists()
        os.utime(used.path, (0, 0))
        remove_left_stages(tmp_path)
        assert (used.path.exists(), other.path.exists()) == (False, True)


@pytest.mark.parametrize("reason", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_that_reserves_no_room_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr("os.posix_fallocate", refuse)
    with new_stage(tmp_path, 3, 4, "squash") as stage:
        assert np.load(stage.path).shape == (3, 4, 4, 3)


def test_a_disk_that_fills_up_is_named(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = DatasetSpec(path=make_folder(), image_size=16)

    def full(self: object, row: int, pixels: bytes) -> None:
        raise no_room(tmp_path, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr("bench.data.audit.scan._Scan._write", full)
    with pytest.raises(DataError, match=rf"^The disk that holds {tmp_path} is full .*PATCHBENCH_CACHE"):
        prepare(spec, cache_dir=tmp_path)
    assert not list((tmp_path / "pixels").iterdir())


def test_a_folder_that_cannot_be_written_is_reported(make_folder: MakeFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"PATCHBENCH_CACHE.*--no-cache"):
        prepare(DatasetSpec(path=make_folder(), image_size=16), cache_dir=tmp_path / "file" / "cache")


def test_a_full_disk_is_reported_before_it_is_filled(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no room for the pixel cache"), new_stage(tmp_path, 10**9, 512, "squash"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_rows_are_moved_together(tmp_path: Path) -> None:
    with new_stage(tmp_path, 12, 4, "squash") as stage:
        rows = np.load(stage.path, mmap_mode="r+")
        rows[:] = np.arange(12, dtype=np.uint8)[:, None, None, None]
        rows.flush()
        compact(stage, 12, [1, 2, 5, 11])
        assert np.load(stage.path)[:, 0, 0, 0].tolist() == [1, 2, 5, 11]
        assert np.load(stage.path).shape == (4, 4, 4, 3)
    assert list(tmp_path.iterdir()) == []
