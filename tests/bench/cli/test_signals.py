"""Every signal that ends a run, in every phase of it: one message, nothing lost, nothing left running."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from bench.results.run import load_results
from tests.bench.parent import Parent
from tests.bench.runner.run_contents import statuses

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals")


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_a_cell_runs(parent: Parent, name: str, code: int) -> None:
    parent.start().send_signal(getattr(signal, name))
    found, message = parent.ended()
    assert found == code
    assert len(message.splitlines()) == 1, message
    assert "run the same command again" in message
    assert (name in message) == (name != "SIGINT")
    assert statuses(load_results(parent.out)) == ["ok", "interrupted"]
    assert _gone(int(parent.mark.read_text()))


PHASES = {
    "reading the data": "import bench.runner.study as study; study.prepare_study = hang",
    "rendering the report": "import reports; reports.render_report = hang",
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_in_another_phase(parent: Parent, phase: str) -> None:
    parent.start(parent.run, PHASES[phase]).send_signal(signal.SIGTERM)
    code, message = parent.ended()
    assert code == 143
    assert len(message.splitlines()) == 1, message
    assert "interrupted by SIGTERM; what is done is stored" in message


STORING = """
import bench.runner.study as study
real = study.keep_predictions
def hold(*given):
    open({mark!r}, "w").write("1"); time.sleep(1); real(*given)
study.keep_predictions = hold
"""


def test_a_cell_that_is_done_is_stored_before_the_run_ends(parent: Parent) -> None:
    parent.start(preparation=STORING.format(mark=str(parent.mark))).send_signal(signal.SIGTERM)
    assert parent.ended()[0] == 143
    assert statuses(load_results(parent.out)) == ["ok"]


def test_a_signal_during_a_dry_run_and_other_commands(parent: Parent) -> None:
    parent.start([*parent.run, "--dry-run"], "import bench.runner.dry_run as dry; dry.prepare_study = hang")
    parent.process.send_signal(signal.SIGTERM)
    assert parent.ended()[0] == 143
    assert not parent.out.exists()
    parent.mark.unlink()
    parent.start(["models"], "import bench.cli.models as models; models.show_models = hang")
    parent.process.send_signal(signal.SIGHUP)
    code, message = parent.ended()
    assert (code, message) == (129, "patchbench: interrupted by SIGHUP\n")


IMPORTING = """
import sys, time
class Slow:
    def find_spec(self, name, *rest):
        if name == "typer":
            hang()
def hang(*_, **__):
    open({mark!r}, "w").write("1")
    time.sleep(600)
sys.argv = ["patchbench", *{words!r}]
{where}
from bench.__main__ import main
main()
"""
BEFORE = {
    "importing": "sys.meta_path.insert(0, Slow())",
    "reading the options": "import typer.core; typer.core.TyperGroup.make_context = hang",
}


@pytest.mark.parametrize("where", BEFORE)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_command_begins(parent: Parent, number: int, code: int, where: str) -> None:
    words = [sys.executable, "-c", IMPORTING.format(mark=str(parent.mark), words=parent.run, where=BEFORE[where])]
    parent.process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not parent.mark.exists():
        time.sleep(0.01)
    parent.process.send_signal(number)
    found, message = parent.ended()
    assert found == code
    assert message.startswith("patchbench: interrupted")
    assert len(message.splitlines()) == 1, message


@pytest.mark.parametrize("pause", [0.05, 0.3])
def test_further_signals_lose_nothing(parent: Parent, pause: float) -> None:
    """The child ignores the first request to end; the second Ctrl-C ends its grace."""
    process = parent.start(first="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    for _ in range(6):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        time.sleep(pause)
    code, message = parent.ended()
    assert code == 130
    assert len(message.splitlines()) == 1, message
    assert "run the same command again" in message
    assert statuses(load_results(parent.out)) == ["ok", "interrupted"]
    assert _gone(int(parent.mark.read_text()))


def test_a_signal_to_all_processes_at_once(parent: Parent) -> None:
    """As a cluster sends it: the child may end first."""
    process = parent.start()
    os.kill(int(parent.mark.read_text()), signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    code, message = parent.ended()
    assert code == 143
    assert len(message.splitlines()) == 1, message
    assert set(statuses(load_results(parent.out))) == {"ok", "interrupted"}


def test_a_child_ended_from_outside_alone_is_due_again(parent: Parent) -> None:
    parent.start()
    os.kill(int(parent.mark.read_text()), signal.SIGTERM)
    out, message = parent.process.communicate(timeout=600)
    assert parent.process.returncode == 1
    assert message == ""
    assert "ended from outside by SIGTERM" in out
    run = load_results(parent.out)
    assert statuses(run) == ["ok", "interrupted", "ok"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(parent: Parent, number: int) -> None:
    """As nohup and a background shell start a command."""
    code = "import os, signal, sys; signal.signal({}, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    process = parent.start(before=(sys.executable, "-c", code.format(int(number))))
    process.send_signal(number)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert parent.ended()[0] == 143


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_process_1_of_a_container_ends_by_sigterm(parent: Parent) -> None:
    """The kernel ignores signals to process 1 for which it has no handler."""
    namespace = ("unshare", "--pid", "--fork", "--kill-child")
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespace can be made here")
    process = parent.start(before=namespace)
    [first] = psutil.Process(process.pid).children()
    os.kill(first.pid, signal.SIGTERM)
    _, message = parent.ended()
    assert "interrupted by SIGTERM" in message
    assert statuses(load_results(parent.out)) == ["ok", "interrupted"]
