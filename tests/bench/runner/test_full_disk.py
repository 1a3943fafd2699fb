"""A disk that fills up or becomes read-only under a run, with real file systems: what was stored stays whole."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.results.run import Run, load_results
from bench.runner.events import CellStarted, Event
from bench.runner.study import run_study
from bench.study.schema import Study

MakeStudy = Callable[..., Study]
Child = Callable[[str], None]


def _statuses(run: Run) -> list[str]:
    return [result.status.value for result in run.results()]


def _no_half_files(folder: Path) -> bool:
    return not [p for p in folder.rglob(".*") if p.name != ".lock" and p.is_file()]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here: it takes the rights of root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


FILL = """
def fill():
    with open(folder + "/filler", "wb", buffering=0) as file:
        try:
            while True: file.write(bytes(4096))
        except OSError: pass
"""


def _resumes(small_study: MakeStudy, child: Child, out: Path) -> None:
    """The first cell is stored, and what a cell has left behind is no obstacle once there is room again."""
    run = load_results(out)
    assert _statuses(run) == ["ok"]
    for left in run.cell_folder(run.plan()[1].id).iterdir():
        left.unlink()
    child("write_outcome()")
    run_study(small_study(), out=out)
    assert _statuses(run) == ["ok"] * 3


def test_a_disk_that_fills_up_in_the_parents_write(small_study: MakeStudy, child: Child, small_disk: Path) -> None:
    hold = "for name in os.listdir(folder): os.link(folder + '/' + name, folder + '/held-' + name)"
    child(FILL + f"write_outcome()\nif seed == 1:\n    {hold}\n    fill()")
    with pytest.raises(RunError, match=r"No space left on device.*intact"):
        run_study(small_study(), out=small_disk / "r")
    assert _no_half_files(small_disk / "r")
    _resumes(small_study, child, small_disk / "r")


def test_a_disk_that_is_full_for_the_child(small_study: MakeStudy, child: Child, small_disk: Path) -> None:
    child(FILL + "if seed == 1:\n    fill()\n    os._exit(74)\nwrite_outcome()")
    with pytest.raises(RunError, match=r"could not write its files.*run the same command again"):
        run_study(small_study(), out=small_disk / "r")
    _resumes(small_study, child, small_disk / "r")


def test_a_disk_that_becomes_read_only(small_study: MakeStudy, child: Child, small_disk: Path) -> None:
    cells = small_disk / "r" / "cells"

    def spoil(event: Event) -> None:
        if isinstance(event, CellStarted) and event.cell.seed == 1:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(cells)], check=True)

    child("write_outcome()")
    try:
        with pytest.raises(RunError, match="Read-only file system"):
            run_study(small_study(), out=small_disk / "r", on_event=spoil)
    finally:
        subprocess.run(["umount", "-l", str(cells)], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(RunError, match="cannot be written: Read-only"):
        run_study(small_study(), out=small_disk / "r")
    assert _statuses(load_results(small_disk / "r")) == ["ok"]
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    run = run_study(small_study(), out=small_disk / "r")
    assert _statuses(run) == ["ok"] * 3
    assert _no_half_files(run.path)
