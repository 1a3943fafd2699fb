"""Threads of a cell: what the study sets, OMP_NUM_THREADS, a CPU quota, the CPUs of the affinity."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.data.parallel import worker_count
from bench.errors import RunError
from bench.measure.system import cpus
from bench.measure.system.cpus import Threads, affinity, cell_threads, usable_cpus

NEW, OLD = "0::/\n", "3:cpu,cpuacct:/job\n"


@pytest.fixture(autouse=True)
def _eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "affinity", lambda: 8)


def _quota(root: Path, quota: int, period: int = 100_000, *, older: bool = False) -> str:
    """Write the files of a group; returns what /proc/self/cgroup says."""
    folder = root / "cpu" / "job" if older else root
    folder.mkdir(parents=True, exist_ok=True)
    if older:
        (folder / "cpu.cfs_quota_us").write_text(str(quota))
        (folder / "cpu.cfs_period_us").write_text(str(period))
    else:
        (folder / "cpu.max").write_text(f"{quota} {period}\n" if quota > 0 else f"max {period}\n")
    return OLD if older else NEW


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    ("quota", "threads"),
    [(250_000, 2), (199_999, 1), (50_000, 1), (800_000, 8), (3_200_000, 8), (-1, 8)],
)
def test_a_quota_is_rounded_down_to_one_thread_at_least(tmp_path: Path, quota: int, threads: int, older: bool) -> None:
    own = _quota(tmp_path, quota, older=older)
    assert usable_cpus(tmp_path, own) == threads
    found = cell_threads(None, mount=tmp_path, own=own)
    assert (found.count, found.by) == (threads, "quota" if threads < 8 else "affinity")


@pytest.mark.parametrize(
    ("asked", "variable", "quota", "expected"),
    [
        (None, None, -1, Threads(8, "affinity")),
        (None, "", -1, Threads(8, "affinity")),
        (None, "3", -1, Threads(3, "OMP_NUM_THREADS")),
        (None, " 3 , 2", -1, Threads(3, "OMP_NUM_THREADS")),  # a number for each level of nesting
        (None, "64", -1, Threads(8, "affinity")),
        (None, "4", 200_000, Threads(2, "quota")),
        (None, "1", 200_000, Threads(1, "OMP_NUM_THREADS")),
        (5, "3", 200_000, Threads(5, "study")),
        (5, "nonsense", 200_000, Threads(5, "study")),
    ],
)
def test_what_decides(tmp_path: Path, asked: int | None, variable: str | None, quota: int, expected: Threads) -> None:
    own = _quota(tmp_path, quota)
    assert cell_threads(asked, variable, mount=tmp_path, own=own) == expected


@pytest.mark.parametrize("variable", ["0", "-1", "two", "1.5", "9" * 5000, "٣", ",2"])
def test_a_variable_that_is_no_number_of_threads_is_refused(tmp_path: Path, variable: str) -> None:
    if variable == ",2":
        assert cell_threads(None, variable, mount=tmp_path, own="") == Threads(8, "affinity")
        return
    with pytest.raises(RunError, match=r"OMP_NUM_THREADS is .* 1 or more.*train\.threads"):
        cell_threads(None, variable, mount=tmp_path, own="")


def test_the_readers_of_images_keep_to_the_quota_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "cpu_quota", lambda *_: 2.9)
    assert worker_count() == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_the_affinity_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert affinity() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert affinity() == len(before)
