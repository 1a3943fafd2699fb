"""batch_size: auto through the command line: found once, recorded, and kept by the next run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bench.results.run import load_results
from bench.runner.study import run_study
from bench.study.schema import Study
from bench.training.optim import batch_size
from tests.isolated_here import call_here
from tests.known import known

STUDY = """
name: auto
dataset: {source: synthetic, count: 60, image_size: 32, classes: 2}
models: [{name: vit_tiny_p16, weights: none}]
regimes: [scratch]
train: {epochs: 1, batch_size: auto, threads: 1}
measure: {inference: false}
"""


def _start(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "study.yaml").write_text(STUDY)
    study, out = str(folder / "study.yaml"), str(folder / "run")
    command = [sys.executable, "-m", "bench", "run", study, "--out", out, "--no-report"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _run(folder: Path) -> str:
    done = _start(folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_number_is_recorded_and_kept(
    child: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search in this process, and cells that are trivial."""
    child("write_outcome()")
    monkeypatch.setattr(batch_size, "call_isolated", call_here)
    study = Study.model_validate(yaml.safe_load(STUDY))
    run = run_study(study, out=tmp_path / "run")
    record = json.loads((run.path / "batch_size.json").read_text())
    assert record["batch_size"] == min(record["largest"].values()) == 4
    (run.path / "batch_size.json").write_text(json.dumps({**record, "batch_size": 2}))
    stored = yaml.safe_load((run.path / "study.yaml").read_text())
    stored["train"]["batch_size"] = 2
    (run.path / "study.yaml").write_text(yaml.safe_dump(stored))
    run_study(study, out=tmp_path / "run")
    assert sorted(str(result.cell.train.batch_size) for result in run.results()) == ["2", "4"]


@pytest.mark.slow
def test_auto_is_found_once_recorded_and_kept(tmp_path: Path) -> None:
    output, run = _run(tmp_path), tmp_path / "run"
    record = json.loads((run / "batch_size.json").read_text())
    found = record["batch_size"]
    assert found == min(record["largest"].values()) == 4  # eight steps of 42 images
    assert f"batch size: {found}, the largest that fits" in output
    assert yaml.safe_load((run / "study.yaml").read_text())["train"]["batch_size"] == found
    # Another number shows that the second run does not search: it would find the first again.
    (run / "batch_size.json").write_text(json.dumps({**record, "batch_size": 2}))
    stored = yaml.safe_load((run / "study.yaml").read_text())
    stored["train"]["batch_size"] = 2
    (run / "study.yaml").write_text(yaml.safe_dump(stored))
    assert "batch size: 2, as found before" in _run(tmp_path)
    results = load_results(run).results()
    assert {result.status.value for result in results} == {"ok"}
    assert sorted(known(result.settings.batch_size) for result in results) == [2, found]
    (run / "batch_size.json").write_text("{")
    done = _start(tmp_path)
    assert done.returncode != 0
    assert "batch_size.json is damaged" in " ".join((done.stderr + done.stdout).split())
