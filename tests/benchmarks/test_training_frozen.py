"""The paper's study, frozen ViT-B/32 on 2,240 images for 20 epochs: the harness beside the plain reference script.

The reference is timed on one epoch, which is multiplied. Random weights: nothing here depends on their values.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

EPOCHS = 20
REFERENCE = Path(__file__).with_name("reference.py")
AT_LEAST = {"bf16": 40, "fp32": 15}


def _has_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


@pytest.fixture(scope="module")
def reference_seconds(pbc_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of the whole reference run."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(pbc_zip) as archive:
        archive.extractall(folder)
    (root,) = folder.iterdir()
    for hidden in root.glob("*/.*"):
        hidden.unlink()  # the file that is no image would end the reference in its first epoch
    started = time.perf_counter()
    command = [sys.executable, str(REFERENCE), str(root), "--epochs", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    whole = time.perf_counter() - started
    (epoch,) = json.loads(done.stdout)["epoch_seconds"]
    return whole - epoch + EPOCHS * epoch


@pytest.fixture(scope="module")
def busy() -> bool:
    """Whether the machine has other work to do."""
    return os.getloadavg()[0] > 0.75 * (os.cpu_count() or 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_many_times_faster_than_the_reference(
    precision: str,
    busy: bool,
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
    if precision == "bf16" and not _has_bf16():
        pytest.skip("this processor has no bf16 matrix instructions")
    if busy:
        pytest.skip(f"the machine was busy with other work when this began: {ratio:.1f} times proves nothing")
    assert ratio >= AT_LEAST[precision]
