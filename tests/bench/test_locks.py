from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.locks import LockHeldError, file_lock

HOLD = """
import sys
from pathlib import Path
from bench.locks import file_lock
with file_lock(Path({path!r}), wait=False):
    print("held", flush=True)
    sys.stdin.read()
"""


def _hold(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(path=str(path))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
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


def test_only_one_process_at_a_time_though_the_file_comes_and_goes(tmp_path: Path) -> None:
    path, counter = tmp_path / "x.lock", tmp_path / "count"
    counter.write_text("0")
    code = (
        "from pathlib import Path\nfrom bench.locks import file_lock\n"
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
