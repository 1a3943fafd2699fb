from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.results.files import atomic_path, read_regular, reserve, write_atomic


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_atomic(path, "old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc")
def test_a_folder_or_a_pipe_that_is_refused_is_not_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match=r"directory|regular"):
            read_regular(path, 10)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "b.txt"
    write_atomic(path, "old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match=os.strerror(number)):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def test_a_file_size_limit_of_the_system(tmp_path: Path) -> None:
    code = f"""
import resource, signal, sys
from pathlib import Path
from bench.errors import RunError
from bench.results.files import write_atomic
path = Path({str(tmp_path / "b.txt")!r})
write_atomic(path, "old")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(path, "x" * 5000)
except RunError as error:
    sys.exit(0 if "File too large" in str(error) else 3)
sys.exit(4)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (tmp_path / "b.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def test_a_stop_before_the_rename_leaves_the_old_file(tmp_path: Path) -> None:
    code = f"""
import os, pathlib
from bench.results.files import write_atomic
path = pathlib.Path({str(tmp_path / "b.txt")!r})
write_atomic(path, "old")
pathlib.Path.replace = lambda *a: os._exit(9)
write_atomic(path, "new")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert (tmp_path / "b.txt").read_text() == "old"


@pytest.mark.parametrize("durable", [True, False])
def test_a_path_that_others_fill_replaces_the_old_file_on_success_alone(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a" / "b.bin"
    with atomic_path(path, durable=durable) as part:
        part.write_bytes(b"old")
        assert not path.exists()

    def fill_half() -> None:
        with atomic_path(path, durable=durable) as part:
            part.write_bytes(b"new")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        fill_half()
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["b.bin"]


def test_only_what_is_to_last_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    write_atomic(tmp_path / "progress.json", "1", durable=False)
    assert flushed == []
    write_atomic(tmp_path / "result.json", "1")
    assert len(flushed) == 2, "the file and its folder"


def test_a_path_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_atomic(tmp_path / "file" / "b.txt", "new")


def test_room_that_is_reserved_is_taken(tmp_path: Path) -> None:
    with (tmp_path / "f.bin").open("wb") as file:
        reserve(file.fileno(), 2**22)
        taken = os.fstat(file.fileno())
    assert taken.st_size == 2**22
    assert taken.st_blocks * 512 >= 2**22


@pytest.mark.parametrize("reason", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM])
@pytest.mark.parametrize("lacking", ["os.fsync", "pathlib.Path.chmod", "os.posix_fallocate"])
def test_what_a_file_system_lacks_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str, reason: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(lacking, refuse)
    write_atomic(tmp_path / "a", "x")
    assert (tmp_path / "a").read_text() == "x"
    with (tmp_path / "a").open("r+b") as file:
        reserve(file.fileno(), 100)
    assert (tmp_path / "a").stat().st_size == 100


@pytest.mark.parametrize("reason", [errno.EIO, errno.ENOSPC])
def test_a_flush_that_fails_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(RunError, match=os.strerror(reason)):
        write_atomic(tmp_path / "a", "x")
    assert not list(tmp_path.iterdir())
