"""Standard streams that are closed, full, left by their reader, or of an encoding that lacks what is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.results.run import load_results
from tests.bench.parent import Parent
from tests.bench.runner.run_contents import statuses

pytestmark = pytest.mark.skipif(os.name == "nt", reason="redirects as a POSIX shell does")


def _shell(redirection: str, *words: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """``patchbench WORDS`` with a shell's redirection."""
    line = f'"$0" -m bench "$@" {redirection}'
    command = ["bash", "-o", "pipefail", "-c", line, sys.executable, *words]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **env})


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("words", [("list", "exports"), ("--help",)])
def test_what_cannot_be_printed_is_one_message(redirection: str, words: tuple[str, ...]) -> None:
    done = _shell(redirection, *words)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"patchbench: cannot write to the standard output" in done.stderr


@pytest.mark.parametrize("redirection", ["| head -1", "| true"])
def test_a_reader_that_wants_no_more_is_no_fault(redirection: str) -> None:
    done = _shell(redirection, "list", "exports")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
def test_an_error_that_cannot_be_printed_keeps_its_code(redirection: str) -> None:
    assert _shell(redirection, "list", "nothing").returncode == 2


@pytest.mark.parametrize("how", ["full", "closed", "pipe"])
def test_a_run_goes_on_without_its_display(parent: Parent, how: str) -> None:
    if how == "full":
        with Path("/dev/full").open("w") as full:
            parent.launch(stdout=full)
    elif how == "closed":
        parent.launch(before=("bash", "-c", 'exec "$0" "$@" >&-'))
    else:
        read, write = os.pipe()
        parent.launch(stdout=write)
        os.close(write)
        os.close(read)
    code, message = parent.ended()
    assert code == 0
    assert statuses(load_results(parent.out)) == ["ok"] * 3
    assert message.count("going on without it") == (how != "pipe")
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_is_escaped(encoding: str) -> None:
    done = _shell("", "report", "кот", PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert rb"\u043a\u043e\u0442 is not a run folder" in done.stderr
    help_ = _shell("", "run", "--help", PYTHONIOENCODING=encoding)
    assert help_.returncode == 0
    help_.stdout.decode(encoding)


@pytest.mark.parametrize("words", [("run", "quickstart", "--out"), ("report",), ("export",)])
def test_a_name_that_is_no_text_is_refused(words: tuple[str, ...]) -> None:
    done = _shell("", *words, os.fsdecode(b"caf\xe9"))
    assert done.returncode == 2
    assert done.stderr.startswith(rb"patchbench: 'caf\udce9' is not valid UTF-8")
    assert done.stderr.count(b"\n") == 1
