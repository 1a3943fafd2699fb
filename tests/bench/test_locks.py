from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.locks import LockHeldError, file_lock

HOLD = """
import sys, time
from pathlib import Path
from bench.locks import file_lock
with file_lock(Path({path!r}), wait=False):
    print("held", flush=True)
    time.sleep({seconds})
"""


def _hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(path=str(path), seconds=seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_killed_holder_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    holder = _hold(path, 60)
    with pytest.raises(LockHeldError), file_lock(path, wait=False):
        pass
    holder.kill()
    holder.communicate()
    with file_lock(path, wait=False):
        assert path.exists()
    assert not path.exists()


def test_one_that_waits_gets_the_lock_when_it_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    holder = _hold(path, 0.5)
    started = time.monotonic()
    with file_lock(path, wait=True):
        assert time.monotonic() - started > 0.2
    holder.communicate()
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
