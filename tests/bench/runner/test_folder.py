"""A run folder that is deleted, renamed, replaced or emptied under a run: a failure that names it, and nothing made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.results.run import load_results
from bench.runner.events import CellDone, CellStarted, Event, Planned
from bench.runner.folder import require_text
from bench.runner.study import run_study
from bench.study.schema import Study
from tests.bench.runner.run_contents import statuses

MakeStudy = Callable[..., Study]
Child = Callable[[str], None]


def _replace(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    shutil.copytree(folder.with_name("moved"), folder)


def _make_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


CHANGES: dict[str, Callable[[Path], object]] = {
    "deleted": shutil.rmtree,
    "renamed": lambda folder: folder.rename(folder.with_name("moved")),
    "replaced": _replace,
    "a file": _make_file,
}
MOMENTS: dict[str, Callable[[Event], bool]] = {
    "before the first cell": lambda event: isinstance(event, Planned),
    "while a cell runs": lambda event: isinstance(event, CellStarted) and event.cell.seed == 1,
    "after the last cell": lambda event: isinstance(event, CellDone) and event.cell.seed == 1,
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_is_not_the_same_any_more(
    small_study: MakeStudy, child: Child, tmp_path: Path, change: str, moment: str
) -> None:
    out = tmp_path / "r"
    child("write_outcome()")

    def spoil(event: Event) -> None:
        if MOMENTS[moment](event):
            CHANGES[change](out)

    with pytest.raises(RunError, match=f"run folder {out} was deleted, renamed or replaced"):
        run_study(small_study(2), out=out, on_event=spoil)
    assert out.exists() == (change in ("replaced", "a file"))
    if (moved := tmp_path / "moved").exists():
        moved_run = run_study(small_study(2), out=moved)
        assert statuses(moved_run) == ["ok"] * 2


@pytest.mark.parametrize("lost", ["study.yaml", "plan.json", "dataset.json"])
def test_a_file_that_is_lost_while_the_study_runs(
    small_study: MakeStudy, child: Child, tmp_path: Path, lost: str
) -> None:
    child("write_outcome()")

    def spoil(event: Event) -> None:
        if isinstance(event, CellDone):
            (tmp_path / "r" / lost).unlink()

    with pytest.raises(RunError, match=f"lost {lost} while the study ran"):
        run_study(small_study(1), out=tmp_path / "r", on_event=spoil)


def test_results_that_are_lost_while_the_study_runs(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")

    def spoil(event: Event) -> None:
        if isinstance(event, CellStarted) and event.cell.seed == 1:
            shutil.rmtree(next((tmp_path / "r" / "cells").iterdir()))

    with pytest.raises(RunError, match=r"lost cells/.*result.json while the study ran"):
        run_study(small_study(2), out=tmp_path / "r", on_event=spoil)
    assert statuses(run_study(small_study(2), out=tmp_path / "r")) == ["ok"] * 2


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="folders are not write-protected for this user")
def test_a_folder_that_becomes_read_only(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")

    def spoil(event: Event) -> None:
        if isinstance(event, CellStarted) and event.cell.seed == 1:
            (tmp_path / "r" / "cells").chmod(0o500)

    with pytest.raises(RunError, match="denied"):
        run_study(small_study(2), out=tmp_path / "r", on_event=spoil)
    (tmp_path / "r" / "cells").chmod(0o700)
    assert statuses(load_results(tmp_path / "r")) == ["ok"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(RunError, match=r"the run folder /runs/caf\\udce9 is not valid UTF-8"):
        require_text(Path("/runs", os.fsdecode(b"caf\xe9")), "the run folder")


def test_a_file_system_without_locks_is_said(
    small_study: MakeStudy, child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import fcntl

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    child("write_outcome()")
    events: list[Event] = []
    assert statuses(run_study(small_study(1), out=tmp_path / "r", on_event=events.append)) == ["ok"]
    [planned] = [event for event in events if isinstance(event, Planned)]
    assert [notice.code for notice in planned.warnings].count("no_locks") == 1
