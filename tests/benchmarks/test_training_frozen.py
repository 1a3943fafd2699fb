"""The paper's study, frozen ViT-B/32 on 2,240 images for 20 epochs: the harness beside the plain reference script.

The reference is timed on one epoch, which is multiplied. Random weights: nothing here depends on their values.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

EPOCHS = 20
REFERENCE = Path(__file__).with_name("reference.py")
AT_LEAST = {"bf16": 40, "fp32": 15}


@pytest.fixture(scope="module")
def reference_seconds(pbc_folder: Path) -> float:
    """Seconds of the whole reference run."""
    started = time.perf_counter()
    command = [sys.executable, str(REFERENCE), str(pbc_folder), "--epochs", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    whole = time.perf_counter() - started
    epochs: list[float] = json.loads(done.stdout)["epoch_seconds"]
    (epoch,) = epochs
    return whole - epoch + EPOCHS * epoch


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_many_times_faster_than_the_reference(
    precision: str,
    expect: Callable[[bool], None],
    has_bf16: bool,
    reference_seconds: float,
    pbc_zip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATCHBENCH_CACHE", str(tmp_path / "cache"))  # nothing is ready: from the zip to the result
    study = tmp_path / "study.yaml"
    study.write_text(
        f"name: paper\ndataset: {{source: pbc, image_size: 224}}\nmodels: [{{name: vit_base_p32, weights: none}}]\n"
        f"regimes: [frozen]\nprecisions: [{precision}]\ntrain: {{epochs: {EPOCHS}}}\n"
    )
    started = time.perf_counter()
    command = [sys.executable, "-m", "bench", "run", str(study), "--data", str(pbc_zip), "--out", str(tmp_path / "run")]
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    ratio = reference_seconds / seconds
    with capsys.disabled():
        print(f"\n{precision}: reference {reference_seconds:,.0f} s / harness {seconds:.1f} s = {ratio:.1f} times")
    if precision == "bf16" and not has_bf16:
        pytest.skip("this CPU has no bf16 matrix instructions")
    expect(ratio >= AT_LEAST[precision])
