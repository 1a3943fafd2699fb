"""What kills, Ctrl-C, a second run and power cuts leave behind: the next run goes on from it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.errors import RunError
from bench.results.run import load_results
from bench.runner.events import Event
from bench.runner.study import run_study
from bench.study.schema import Study
from tests.bench.parent import STUDY, Parent
from tests.bench.runner.run_contents import content, no_half_files, started, statuses

Child = Callable[[str], None]


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    started = Parent(tmp_path)
    yield started
    started.process.kill()
    started.process.communicate()


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_kill_9_of_the_parent_then_resume(parent: Parent, child: Child, tmp_path: Path) -> None:
    process = parent.start()
    process.kill()
    process.communicate()
    pid, end = int(parent.mark.read_text()), time.monotonic() + 60
    while not _gone(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert _gone(pid)
    run = load_results(tmp_path / "r")
    assert statuses(run) == ["ok"]
    assert [cell.seed for cell in run.missing()] == [1, 2]
    done = content(run.cell_folder(run.plan()[0].id))
    child("write_outcome()")
    events: list[Event] = []
    run_study(Study.model_validate(STUDY), out=tmp_path / "r", on_event=events.append)
    assert started(events) == [1, 2]
    assert statuses(run) == ["ok"] * 3
    assert content(run.cell_folder(run.plan()[0].id)) == done
    assert no_half_files(run.path)


def test_ctrl_c_keeps_what_is_done_and_prints_how_to_resume(parent: Parent, child: Child, tmp_path: Path) -> None:
    parent.start().send_signal(signal.SIGINT)
    code, message = parent.ended()
    assert code == 130
    assert "run the same command again" in message
    assert len(message.splitlines()) == 1, "one message"
    assert "Traceback" not in message
    run = load_results(tmp_path / "r")
    assert statuses(run) == ["ok", "interrupted"]
    assert _gone(int(parent.mark.read_text()))
    child("write_outcome()")
    events: list[Event] = []
    run_study(Study.model_validate(STUDY), out=tmp_path / "r", on_event=events.append)
    assert started(events) == [1, 2]
    assert statuses(run) == ["ok"] * 3


def test_a_second_run_on_the_same_folder_is_reported(parent: Parent, tmp_path: Path) -> None:
    process = parent.start()
    before = content(tmp_path / "r")
    with pytest.raises(RunError, match="another patchbench is writing"):
        run_study(Study.model_validate(STUDY), out=tmp_path / "r")
    assert content(tmp_path / "r") == before
    assert process.poll() is None


@pytest.mark.parametrize("write", range(1, 9))
def test_a_power_cut_between_write_and_rename(child: Child, tmp_path: Path, write: int) -> None:
    """The process stops for good at its n-th rename into the run folder: the next run finishes the work."""
    preparation = f"""
import pathlib
real, count = pathlib.Path.replace, 0
def replace(self, target):
    global count
    count += str(target).startswith({str(tmp_path / "r")!r})
    if count == {write}: os._exit(9)
    return real(self, target)
pathlib.Path.replace = replace
"""
    process = Parent(tmp_path, seeds=[0, 1]).launch(preparation=preparation)
    process.communicate()
    assert process.returncode == 9
    child("write_outcome()")
    study = Study.model_validate({**STUDY, "seeds": [0, 1]})
    run = run_study(study, out=tmp_path / "r")
    assert statuses(run) == ["ok"] * 2
    for path in run.path.rglob("*.json"):
        json.loads(path.read_text())
