"""What a process keeps, and what it gives back, in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from bench.allocator import KEEPING, keeping
from bench.measure.memory import reset_high_water

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc alone is set")

_MIB = 200
_STEPS = f"""
import json, os, resource
import numpy as np
from bench.allocator import give_back
from bench.measure.memory import PhaseMarks, rss_mib

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

marks = PhaseMarks()
marks.enter("large")
size = {_MIB} * 2**20
held = np.ones(size, np.uint8)
del held
before, begun = rss_mib(os.getpid()), faults()
held = np.ones(size, np.uint8)
again = faults() - begun
del held
marks.enter("small")
marks.enter(None)
print(json.dumps({{"before": before, "again": again, "after": rss_mib(os.getpid()), "peaks": marks.peaks}}))
"""


def _told(environment: dict[str, str]) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", _STEPS], env=environment, capture_output=True, text=True, check=True)
    told: dict[str, object] = json.loads(done.stdout)
    return told


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in KEEPING}


def test_what_was_freed_is_used_again_without_asking_the_kernel() -> None:
    usual, kept = _told(_plain()), _told({**_plain(), **KEEPING})
    assert kept["again"] < 100 < usual["again"]  # type: ignore[operator]
    assert kept["before"] > usual["before"] + 0.9 * _MIB  # type: ignore[operator]


@pytest.mark.skipif(not reset_high_water(), reason="this kernel cannot start the high-water mark anew")
def test_a_phase_does_not_count_what_the_one_before_has_freed() -> None:
    kept = _told({**_plain(), **KEEPING})
    peaks = kept["peaks"]
    assert isinstance(peaks, dict)
    assert peaks["large"] > peaks["small"] + 0.9 * _MIB
    assert kept["after"] < kept["before"] - 0.9 * _MIB  # type: ignore[operator]


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "7")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    assert keeping() == {**KEEPING, "MALLOC_MMAP_MAX_": "7"}
