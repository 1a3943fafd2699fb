"""A call in a process of its own: answers, errors and what a user's code prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench import errors
from bench.errors import DataError
from bench.isolated import IsolatedError, call_isolated

FUNCTIONS = """
import os, sys, time
from bench.errors import DataError

def echo(*values):
    print('{"value": "printed"}')
    os.write(1, b"written")
    return list(values)

def fail():
    class Special(DataError):
        pass
    raise Special("no such set")

def crash():
    raise KeyError("deep inside")

def die():
    os._exit(9)

def babble(kill):
    os.write(1, b"caf\\xe9 is not UTF-8")
    if kill:
        os.kill(os.getpid(), 9)
    return "done"

def wait(started):
    open(started, "w").write(str(os.getpid()))
    time.sleep(60)

def modules():
    return sorted(sys.modules)
"""


@pytest.fixture(autouse=True)
def own_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_functions.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)


def _has_ended(pid: int) -> bool:
    for _ in range(600):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


def test_the_answer_is_what_the_function_returns_whatever_it_prints(capfd: pytest.CaptureFixture[str]) -> None:
    assert call_isolated("own_functions:echo", 1, "zwei\n€", None, [{"a": 0.1}]) == [1, "zwei\n€", None, [{"a": 0.1}]]
    assert capfd.readouterr() == ("", "")


def test_what_it_prints_need_not_be_utf8_and_is_not_why_it_was_killed() -> None:
    assert call_isolated("own_functions:babble", False) == "done"
    with pytest.raises(IsolatedError, match=r"^the process ended with exit code -9$"):
        call_isolated("own_functions:babble", True)


def test_an_error_made_for_the_user_is_raised_again() -> None:
    with pytest.raises(DataError, match=r"^no such set$"):
        call_isolated("own_functions:fail")


@pytest.mark.parametrize(
    ("name", "message"), [("crash", "KeyError: 'deep inside'"), ("die", "exit code 9"), ("missing", "missing")]
)
def test_any_other_end_is_one_line(name: str, message: str) -> None:
    with pytest.raises(IsolatedError, match=message) as caught:
        call_isolated(f"own_functions:{name}")
    assert "\n" not in str(caught.value)


def test_a_time_limit_ends_the_child(tmp_path: Path) -> None:
    with pytest.raises(IsolatedError, match="within 6 s"):
        call_isolated("own_functions:wait", str(tmp_path / "started"), timeout=6)
    assert _has_ended(int((tmp_path / "started").read_text()))


def test_a_file_of_the_user_hides_no_module(tmp_path: Path) -> None:
    for name in ("json", "subprocess", "bench"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    assert call_isolated("own_functions:echo", 1) == [1]


def test_the_child_imports_no_more_than_it_is_asked_to() -> None:
    assert not {"torch", "numpy", "pydantic"} & set(call_isolated("own_functions:modules"))


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_reaches_the_caller_and_ends_the_child(tmp_path: Path) -> None:
    code = (
        "from bench.isolated import call_isolated\n"
        "try:\n"
        f"    call_isolated('own_functions:wait', {str(tmp_path / 'started')!r})\n"
        "except KeyboardInterrupt:\n"
        "    raise SystemExit(42)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    for _ in range(1200):
        if (tmp_path / "started").exists() and (tmp_path / "started").read_text():
            break
        time.sleep(0.1)
    parent.send_signal(signal.SIGINT)
    assert parent.wait(240) == 42
    assert _has_ended(int((tmp_path / "started").read_text()))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel ends a child with its parent on Linux")
def test_kill_9_of_the_caller_ends_the_child(tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = f"from bench.isolated import call_isolated; call_isolated('own_functions:wait', {str(started)!r})"
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not (started.exists() and started.read_text()):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    assert _has_ended(int(started.read_text()))


def test_every_error_has_a_name_that_can_be_raised_again() -> None:
    assert all(issubclass(getattr(errors, name), errors.BenchError) for name in errors.__all__ if name != "nearest")
