from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.data.parallel import map_chunks, worker_count
from bench.errors import DataError
from bench.measure.system.process_env import HUGE_PAGES


def _double(part: list[int]) -> list[int]:
    return [2 * item for item in part]


def _die_at_seven(part: list[int]) -> list[int]:
    if 7 in part:
        os._exit(1)
    return part


def _refuse_seven(part: list[int]) -> list[int]:
    if 7 in part:
        raise DataError("seven")
    return part


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_the_order_is_kept(workers: int, count: int) -> None:
    parts = map_chunks(_double, range(count), chunk=4, workers=workers)
    assert [item for part in parts for item in part] == [2 * item for item in range(count)]


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(DataError, match="A process that reads images died"):
        list(map_chunks(_die_at_seven, range(40), chunk=2, workers=2))


class _DiesOnArrival:
    """Work larger than a pipe holds, which ends the worker that unpickles it."""

    def __init__(self) -> None:
        self.ballast = bytes(2**20)

    def __setstate__(self, state: object) -> None:
        os._exit(1)

    def __call__(self, part: list[int]) -> list[int]:
        return part


def test_a_worker_that_dies_before_it_has_read_its_work_is_reported() -> None:
    with pytest.raises(DataError, match="A process that reads images died"):
        list(map_chunks(_DiesOnArrival(), range(40), chunk=2, workers=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_caller(workers: int) -> None:
    with pytest.raises(DataError, match=r"^seven$"):
        list(map_chunks(_refuse_seven, range(40), chunk=2, workers=workers))


def _tunables(part: list[int]) -> list[str | None]:
    return [os.environ.get("GLIBC_TUNABLES") for _ in part]


@pytest.mark.parametrize("chosen", [None, "glibc.malloc.hugetlb=0"])
def test_workers_ask_for_huge_pages_unless_the_user_sets_it(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", chosen)
    found = {one for part in map_chunks(_tunables, range(8), chunk=4, workers=2) for one in part}
    assert found == {chosen or HUGE_PAGES["GLIBC_TUNABLES"]}
    assert os.environ.get("GLIBC_TUNABLES") == chosen


def test_items_are_not_taken_long_before_they_are_needed() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(10_000):
            taken += 1
            yield item

    parts = map_chunks(_double, items(), chunk=4, workers=2)
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert taken < 200


def test_there_is_a_worker() -> None:
    assert worker_count() >= 1


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOSYS])
def test_without_semaphores_the_work_is_done_here(reason: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A /dev/shm that is full or read-only."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr("loky.backend.synchronize._SemLock", refuse)
    parts = list(map_chunks(_pids, range(40), chunk=4, workers=2))
    assert {pid for part in parts for pid in part} == {os.getpid()}


def _pids(part: list[int]) -> list[int]:
    return [os.getpid() for _ in part]


def _write_errors(part: list[int]) -> list[int]:
    os.write(2, b"libtiff has something to say\n")
    return part


def test_workers_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    list(map_chunks(_write_errors, range(40), chunk=4, workers=2))
    assert capfd.readouterr().err == ""


ENDLESS = """
import os, time
from bench.data.parallel import map_chunks
def wait(part):
    print(os.getpid(), flush=True)
    time.sleep(3600)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "TMPDIR": str(tmp_path)}
    code = "from endless import *; list(map_chunks(wait, range(40), chunk=1, workers=2))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        gone, alive = psutil.wait_procs(workers, timeout=60)
        for process in alive:
            process.kill()
    assert len(gone) == 2
    assert [path.name for path in tmp_path.glob("patchbench-work-*")]
    again = "from bench.data.leftovers import own_folder\nwith own_folder('patchbench-work-'): pass"
    subprocess.run([sys.executable, "-c", again], env=environment, check=True)
    assert not list(tmp_path.glob("patchbench-work-*"))


def test_no_room_for_temporary_files_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(DataError, match="TMPDIR"):
        list(map_chunks(_double, range(40), chunk=2, workers=2))
