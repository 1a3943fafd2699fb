"""The study of the paper on real cells with real pretrained weights, reduced to what a test can wait for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import load_results
from tests.known import known

VIT = "vit_small_patch14_dinov2.fp16.safetensors"
CNN = "tf_efficientnet_lite0.safetensors"


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(pbc_zip: Path, weights_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells") / "run"
    models = (
        f"models=[{{name: vit_small_p32, weights: {weights_folder / VIT}}},"
        f" {{name: vit_small_p128, weights: {weights_folder / VIT}}},"
        f" {{name: efficientnet_lite0, weights: {weights_folder / CNN}}}, {{name: resnet18, weights: none}}]"
    )
    command = [
        *(sys.executable, "-m", "bench", "run", "blood-cells", "--data", str(pbc_zip), "--device", "cpu,cuda:99"),
        *("--set", models, "--set", "dataset.limit=480", "--set", "train.epochs=8", "--out", str(folder)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr  # the device that is not here
    return folder


def test_every_cell_is_a_row(run: Path) -> None:
    statuses = {(r.label, r.cell.device): r.status.value for r in load_results(run).results()}
    models = ("vit_small_p32", "vit_small_p128", "efficientnet_lite0", "resnet18")
    expected = {(model, "cpu"): "ok" for model in models} | {(model, "cuda:99"): "unavailable" for model in models}
    assert statuses == expected


def test_what_is_wrong_with_the_files_is_known_before_training(run: Path) -> None:
    manifest = json.loads((run / "dataset.json").read_text())
    assert any(".DS_169665.jpg" in dropped["name"] for dropped in manifest["dropped"])
    assert len(manifest["names"]) == 480
    assert {name: sum(sides.values()) for name, sides in manifest["counts"].items()} == dict.fromkeys(
        manifest["classes"], 60
    )


def test_pretrained_features_beat_random_ones_and_small_patches_large_ones(run: Path) -> None:
    accuracy = {r.label: known(r.metrics["accuracy"]) for r in load_results(run).results() if r.metrics}
    assert accuracy["vit_small_p32"] > accuracy["vit_small_p128"] > 1 / 8
    assert accuracy["vit_small_p32"] > accuracy["resnet18"]
    assert accuracy["efficientnet_lite0"] > accuracy["resnet18"]


def test_a_frozen_study_stays_small_in_memory(run: Path) -> None:
    for result in load_results(run).results():
        if result.status.value == "ok":
            assert result.memory.peak_ram_mib is not None
            assert 200 < result.memory.peak_ram_mib < 3 * 1024


def test_the_resampling_stands_in_the_result(run: Path) -> None:
    found = {r.label: r.model.weights for r in load_results(run).results() if r.status.value == "ok"}
    assert found["vit_small_p128"].patch_resampled
    assert found["vit_small_p128"].sha256 == found["vit_small_p32"].sha256


def test_the_report_shows_the_published_rows_as_reported(run: Path) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Borit Guitton" in page
    assert "96.84" in page
    assert "unavailable" in page
