"""Huge pages in real children: fewer page faults for the same tensors, and what the user has set stays."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench.execution.process.child import Child
from bench.measure.system.process_env import HUGE_PAGES

_SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_SCRIPT = """
import json, os, resource

begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    bytearray(b"x") * (40 * 2**20)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun
print(json.dumps([os.environ["GLIBC_TUNABLES"], faults]))
"""


def _measured(folder: Path) -> tuple[str, int]:
    folder.mkdir()
    child = Child([sys.executable, "-c", _SCRIPT], folder)
    assert child.wait(60)
    assert child.end(0.0) == 0
    variable, faults = json.loads((folder / "log.txt").read_text())
    return variable, faults


def test_a_child_has_huge_pages_unless_the_user_sets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    variable, faults = _measured(tmp_path / "huge")
    assert variable == HUGE_PAGES["GLIBC_TUNABLES"]
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    variable, usual = _measured(tmp_path / "usual")
    assert variable == "glibc.malloc.hugetlb=0"
    if not _SETTING.exists() or "[madvise]" not in _SETTING.read_text():
        pytest.skip("this kernel gives huge pages to all or to none")
    assert faults < usual / 10
