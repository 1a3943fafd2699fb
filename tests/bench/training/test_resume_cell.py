"""A cell whose process is killed resumes from its last epoch when the study is run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

STUDY = """
name: resumed
dataset: {source: synthetic, count: 160, image_size: 32}
models: [{name: vit_tiny_p16, weights: none}]
regimes: [scratch]
train: {epochs: 12, batch_size: 8, threads: 1, augment: light, checkpoint: 0}
"""


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "bench", "run", str(folder.parent / "study.yaml"), "--out", str(folder)]


def _result(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]], np.ndarray]:
    (cell,) = (folder / "cells").iterdir()
    history = [json.loads(line) for line in (cell / "history.jsonl").read_text().splitlines()]
    predictions = pd.read_parquet(cell / "predictions.parquet").select_dtypes("number").to_numpy()
    return json.loads((cell / "result.json").read_text()), history, predictions


@pytest.mark.slow
def test_killed_and_run_again(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(_command(whole), check=True, capture_output=True, timeout=600)

    process = subprocess.Popen(_command(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not list(killed.glob("cells/*/checkpoint.pt")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)  # the cell's process ends with its parent
    process.wait()
    subprocess.run(_command(killed), check=True, capture_output=True, timeout=600)

    expected, history, predicted = _result(whole)
    result, epochs, again = _result(killed)
    assert result["status"] == expected["status"] == "ok"
    assert 1 <= result["settings"]["resumed_after"] < 12
    assert expected["settings"]["resumed_after"] is None
    assert [e["epoch"] for e in epochs] == list(range(1, 13))
    kept = ("lr", "train", "validation")
    assert [[e[key] for key in kept] for e in epochs] == [[e[key] for key in kept] for e in history]
    assert np.array_equal(again, predicted)
    assert result["metrics"] == expected["metrics"]
    assert not list(killed.glob("cells/*/checkpoint.*"))
