"""How long the report of many cells takes and how much memory, in a process that has no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reports.run_folder import MODELS, Recipe, build_run

ALLOWED = {100: 20.0, 1000: 120.0}
"""Seconds for so many cells, on two cores."""

RENDER = """
import json, sys, time
from bench.measure.proc_status import high_water_mib
from reports import render_report
begun = time.perf_counter()
path = render_report([sys.argv[1]])
facts = {"seconds": time.perf_counter() - begun, "mib": high_water_mib(), "size": path.stat().st_size}
print(json.dumps({**facts, "torch": "torch" in sys.modules}))
"""


@pytest.mark.parametrize("cells", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_report_of_many_cells(cells: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [(f"{model[0]} {n}", *model[1:]) for n in range(cells // 20) for model in MODELS[:10]]
    run = build_run(tmp_path / "run", Recipe(models=models, bad={}, not_run=()))
    done = subprocess.run([sys.executable, "-c", RENDER, str(run)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    with capsys.disabled():
        print(
            f"\nreport of {cells} cells: {found['seconds']:.1f} s, {found['mib']:.0f} MiB, "
            f"{found['size'] / 2**20:.1f} MiB of HTML"
        )
    assert found["seconds"] < ALLOWED[cells]
    assert found["mib"] < 1024
    assert not found["torch"]
