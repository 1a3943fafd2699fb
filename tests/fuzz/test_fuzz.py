"""The stored corpus at every door, and whether the guard sees what goes wrong; `nox -s fuzz` draws new inputs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz import guard
from tests.fuzz.guard import Campaign, Fault
from tests.fuzz.targets import TARGETS, corpus


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_corpus_holds_is_read_or_refused(name: str, tmp_path: Path) -> None:
    campaign = Campaign(name, 0.0, 0, tmp_path)
    assert campaign.wait() is None
    assert campaign.counts()["inputs"] == len(corpus(name))


def _fault(code: str, folder: Path) -> Fault:
    (folder / "current").write_bytes(b"input")
    fault = Campaign("some", 0.0, 0, folder, (sys.executable, "-c", code)).wait()
    assert fault is not None
    assert fault.path.read_bytes() == b"input"
    return fault


def test_a_traceback_is_a_fault(tmp_path: Path) -> None:
    assert "KeyError: 'x'" in _fault("{}['x']", tmp_path).reason


def test_a_wait_without_end_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_ASLEEP_AFTER", 0.5)
    assert _fault("import time; time.sleep(600)", tmp_path).reason == "some: hangs"


def test_work_without_end_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_HANGS_AFTER", 0.5)
    assert _fault("while True: pass", tmp_path).reason == "some: hangs"


def test_memory_without_bound_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_MIB", 200.0)
    code = "import time; held = bytearray(300 * 2**20); time.sleep(600)"
    assert _fault(code, tmp_path).reason.endswith("MiB, more than 200")
