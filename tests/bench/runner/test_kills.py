"""What kills, Ctrl-C, a second run and power cuts leave behind: the next run goes on from it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from bench.errors import RunError
from bench.results.run import load_results
from bench.runner.events import Event
from bench.runner.study import run_study
from bench.study.schema import Study
from tests.bench.runner.run_contents import content, no_half_files, started, statuses

MakeStudy = Callable[..., Study]
Child = Callable[[str], None]
HERE = Path(__file__).parent
ROOT = HERE.parents[2]


STUDY = {
    "name": "small",
    "dataset": {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2},
    "models": [{"name": "resnet18", "weights": "none"}],
    "regimes": ["scratch"],
    "seeds": [0, 1, 2],
    "train": {"epochs": 1},
}


PARENT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("fast_cells", {conftest!r})
fast = importlib.util.module_from_spec(spec); spec.loader.exec_module(fast)
from bench.execution import local
local.CHILD = fast.trivial_child({script!r})
sys.argv = ["patchbench", "run", {study!r}, "--out", {out!r}, "--no-report"]
from bench.cli.main import main
main()
"""


def _start_parent(tmp_path: Path, script: str) -> subprocess.Popen[str]:
    """``patchbench run`` of STUDY in a process of its own, its children running the script."""
    study = tmp_path / "small.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    places = {"study": str(study), "out": str(tmp_path / "r"), "conftest": str(HERE.parent / "conftest.py")}
    return subprocess.Popen(
        [sys.executable, "-c", PARENT.format(script=script, **places)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def _wait_for(path: Path, parent: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 480
    while not path.exists():
        assert parent.poll() is None, parent.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


HANG = (
    "from ctypes import CDLL\n"
    "CDLL(None).prctl(1, 9)\n"  # what `die_with_parent` does in the real child
    "write_outcome()\n"
    "if seed == 1:\n"
    "    os.remove(folder + '/outcome.json')\n"
    "    open({mark!r} + '.part', 'w').write(str(os.getpid())); os.rename({mark!r} + '.part', {mark!r})\n"
    "    time.sleep(600)\n"
)


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_kill_9_of_the_parent_then_resume(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    parent = _start_parent(tmp_path, HANG.format(mark=str(mark)))
    _wait_for(mark, parent)
    parent.kill()
    parent.communicate()
    pid, end = int(mark.read_text()), time.monotonic() + 60
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


def test_ctrl_c_keeps_what_is_done_and_prints_how_to_resume(child: Child, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    parent = _start_parent(tmp_path, HANG.format(mark=str(mark)))
    _wait_for(mark, parent)
    parent.send_signal(signal.SIGINT)
    _, message = parent.communicate(timeout=240)
    assert parent.returncode == 130
    assert "run the same command again" in message
    assert len(message.splitlines()) == 1, "one message"
    assert "Traceback" not in message
    run = load_results(tmp_path / "r")
    assert statuses(run) == ["ok", "interrupted"]
    assert _gone(int(mark.read_text()))
    child("write_outcome()")
    events: list[Event] = []
    run_study(Study.model_validate(STUDY), out=tmp_path / "r", on_event=events.append)
    assert started(events) == [1, 2]
    assert statuses(run) == ["ok"] * 3


def test_a_second_run_on_the_same_folder_is_reported(small_study: MakeStudy, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    parent = _start_parent(tmp_path, HANG.format(mark=str(mark)))
    try:
        _wait_for(mark, parent)
        before = content(tmp_path / "r")
        with pytest.raises(RunError, match="another patchbench is writing"):
            run_study(Study.model_validate(STUDY), out=tmp_path / "r")
        assert content(tmp_path / "r") == before
        assert parent.poll() is None
    finally:
        parent.kill()
        parent.communicate()


@pytest.mark.parametrize("write", range(1, 9))
def test_a_power_cut_between_write_and_rename(small_study: MakeStudy, child: Child, tmp_path: Path, write: int) -> None:
    """The process stops for good at its n-th rename into the run folder: the next run finishes the work."""
    script = f"""
import os, pathlib
real, count = pathlib.Path.replace, 0
def replace(self, target):
    global count
    count += str(target).startswith({str(tmp_path / "r")!r})
    if count == {write}: os._exit(9)
    return real(self, target)
pathlib.Path.replace = replace
"""
    parent = _start_parent_after(tmp_path, script)
    assert parent.returncode == 9
    child("write_outcome()")
    study = Study.model_validate({**STUDY, "seeds": [0, 1]})
    run = run_study(study, out=tmp_path / "r")
    assert statuses(run) == ["ok"] * 2
    for path in run.path.rglob("*.json"):
        json.loads(path.read_text())


def _start_parent_after(tmp_path: Path, preparation: str) -> subprocess.CompletedProcess[str]:
    study = tmp_path / "small.yaml"
    study.write_text(yaml.safe_dump({**STUDY, "seeds": [0, 1]}))
    places = {"study": str(study), "out": str(tmp_path / "r"), "conftest": str(HERE.parent / "conftest.py")}
    code = preparation + PARENT.format(script="write_outcome()", **places)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
