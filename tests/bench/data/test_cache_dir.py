"""Folders of the cache that last for one run, and what is said of those that cannot be written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.data.cache_dir import locked, no_room, run_cache, temporary_cache
from bench.errors import DataError

HOLD = (
    "import time; from bench.data.cache_dir import temporary_cache\n"
    "with temporary_cache() as folder:\n"
    "    (folder / 'pixels').mkdir(); (folder / 'pixels' / 'a.npy').write_bytes(b'x')\n"
    "    print(folder, flush=True); time.sleep(3600)\n"
)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("temporary")
def test_a_cache_for_one_run_is_removed_with_all_that_is_in_it() -> None:
    with temporary_cache() as folder:
        (folder / "pixels").mkdir()
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), temporary_cache() as folder:
        raise KeyboardInterrupt
    assert not folder.exists()


def test_what_a_killed_run_left_is_removed_by_the_next_and_nothing_else(temporary: Path) -> None:
    (temporary / "patchbench-cache-by-an-older-version").mkdir()
    (temporary / "patchbench-cache-a-link").symlink_to("/")
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        with temporary_cache() as ours:
            assert (theirs / "pixels" / "a.npy").exists()
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    assert theirs.exists()
    with temporary_cache() as ours:
        assert (theirs.exists(), ours.exists()) == (False, True)
    left = sorted(path.name for path in temporary.iterdir())
    assert left == ["patchbench-cache-a-link", "patchbench-cache-by-an-older-version"]


def test_a_run_with_a_cache_removes_them_too_and_needs_no_temporary_folder(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = temporary / "patchbench-cache-left"
    left.mkdir()
    (left / ".owner").touch()
    with run_cache(keep=True) as folder:
        assert (folder, left.exists()) == (None, False)
    with run_cache(keep=False) as folder:
        assert folder is not None
        assert folder.parent == temporary
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere/at/all"])
    with run_cache(keep=True) as folder:
        assert folder is None


def test_no_temporary_folder_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(DataError, match=r"no temporary folder can be made .*TMPDIR"), temporary_cache():
        pass
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere/at/all"])
    with pytest.raises(DataError, match=r"no temporary folder can be made .*TMPDIR"), temporary_cache():
        pass


@pytest.mark.parametrize(
    ("folder", "reason", "advice"),
    [
        (
            "/home/me/.cache/pixels",
            errno.EROFS,
            "set PATCHBENCH_CACHE to a folder that can be written, or use --no-cache",
        ),
        ("/home/me/.cache/downloads", errno.EROFS, "set PATCHBENCH_CACHE to a folder that can be written"),
        ("/home/me/.cache/pixels", errno.ENOSPC, "set PATCHBENCH_CACHE to a folder on another disk"),
        ("/tmp/patchbench-cache-1/pixels", errno.ENOSPC, "set TMPDIR to a folder on another disk"),
        ("/tmp/patchbench-cache-1/pixels", errno.EROFS, "set TMPDIR to a folder that can be written"),
    ],
)
def test_the_advice_can_be_followed(folder: str, reason: int, advice: str) -> None:
    message = str(no_room(Path(folder), OSError(reason, os.strerror(reason))))
    assert folder in message
    assert message.endswith(advice)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_the_cache_is_built_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path / "a.npy"):
        assert (tmp_path / "a.lock").is_file()
    assert not (tmp_path / "a.lock").exists()
