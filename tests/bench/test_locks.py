from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from bench import soft_lock
from bench.locks import LockHeldError, file_lock

HOLD = """
import sys
from pathlib import Path
from bench.locks import file_lock
with file_lock(Path({path!r}), wait=False):
    print("held", flush=True)
    sys.stdin.read()
"""


WITHOUT_FLOCK = """
import errno, fcntl
def flock(*_): raise OSError(errno.{code}, "no locks here")
fcntl.flock = flock
"""


def _hold(path: Path, before: str = "") -> subprocess.Popen[str]:
    """A process that holds the lock until its input is closed."""
    code = before + HOLD.format(path=str(path))
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_killed_holder_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    holder = _hold(path)
    with pytest.raises(LockHeldError), file_lock(path, wait=False):
        pass
    holder.kill()
    holder.communicate()
    with file_lock(path, wait=False):
        assert path.exists()
    assert not path.exists()


def test_one_that_waits_gets_the_lock_when_it_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    holder, given_back = _hold(path), threading.Event()

    def give_back() -> None:
        given_back.set()
        holder.communicate()

    later = threading.Timer(0.5, give_back)
    later.start()
    with file_lock(path, wait=True):
        assert given_back.is_set()
    later.join()
    assert not path.exists()


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data"), file_lock(tmp_path / "x.lock", wait=False):
        raise ValueError("data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kernel", [True, False])
def test_only_one_process_at_a_time_though_the_file_comes_and_goes(tmp_path: Path, kernel: bool) -> None:
    before = "" if kernel else WITHOUT_FLOCK.format(code="ENOLCK")
    path, counter = tmp_path / "x.lock", tmp_path / "count"
    counter.write_text("0")
    code = (
        f"{before}from pathlib import Path\nfrom bench.locks import file_lock\n"
        "for _ in range(20):\n"
        f"    with file_lock(Path({str(path)!r}), wait=True):\n"
        f"        c = Path({str(counter)!r}); c.write_text(str(int(c.read_text()) + 1))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert counter.read_text() == "60"
    assert not path.exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="folders are not write-protected for this user")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="denied"), file_lock(tmp_path / "x.lock", wait=True):
        pass


def test_a_lock_of_a_folder_that_was_replaced_leaves_the_other_ones_file(tmp_path: Path) -> None:
    path = tmp_path / "run" / "x.lock"
    with file_lock(path, wait=False):
        path.parent.rename(tmp_path / "elsewhere")
        path.parent.mkdir()
        path.write_text("another's")
    assert path.read_text() == "another's"


def _refuse_flock(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("code", ["ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def test_where_the_file_system_has_no_locks_the_file_is_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    path = tmp_path / "x.lock"
    holder = _hold(path, WITHOUT_FLOCK.format(code=code))
    _refuse_flock(monkeypatch, getattr(errno, code))
    with pytest.raises(LockHeldError), file_lock(path, wait=False):
        pass
    assert json.loads(path.read_text())["pid"] == holder.pid
    holder.kill()
    holder.communicate()
    with file_lock(path, wait=False) as of_the_kernel:
        assert not of_the_kernel
        assert json.loads(path.read_text())["pid"] == os.getpid()
        with pytest.raises(LockHeldError), file_lock(path, wait=False):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("silent", "held"), [(5, True), (1000, False)])
def test_another_hosts_lock_lasts_as_long_as_its_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: float, held: bool
) -> None:
    _refuse_flock(monkeypatch, errno.ENOLCK)
    path = tmp_path / "x.lock"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "born": 0.0, "beat": time.time() - silent}))
    with pytest.raises(LockHeldError) if held else nullcontext(), file_lock(path, wait=False):
        pass
    assert path.exists() == held


def test_the_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse_flock(monkeypatch, errno.ENOLCK)
    monkeypatch.setattr(soft_lock, "_BEAT", 0.05)
    path = tmp_path / "x.lock"
    with file_lock(path, wait=False):
        first = json.loads(path.read_text())["beat"]
        while not (text := path.read_text()) or json.loads(text)["beat"] == first:
            time.sleep(0.01)


def test_a_file_without_a_record_is_taken_over_once_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse_flock(monkeypatch, errno.ENOLCK)
    path = tmp_path / "x.lock"
    path.touch()
    with pytest.raises(LockHeldError), file_lock(path, wait=False):
        pass
    os.utime(path, (0, 0))
    with file_lock(path, wait=False):
        assert path.read_text()
