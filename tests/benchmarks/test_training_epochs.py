"""Epochs of training all of a model, images per second: the harness's loop beside the plain reference script's.

Both train the same model from scratch on the same JPEGs, each in processes of its own, one after the other; the better
of two epochs counts for either. The reference decodes its images in every epoch, beside its own computing; the
harness before the first (see test_data_pixels.py for what that takes). Steps alone: test_training_rate.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EACH = 80
"""Images of a class."""
EPOCHS = 2
REFERENCE = Path(__file__).with_name("reference.py")
PAIRS = [
    ("vit_base_p32", "vit_base_patch32_224"),
    ("resnet18", "resnet18"),
    ("resnet50", "resnet50"),
]


@pytest.fixture(scope="module")
def some_cells(pbc_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many images of each class."""
    root = tmp_path_factory.mktemp("some")
    for folder in sorted(pbc_folder.iterdir()):
        (root / folder.name).mkdir()
        for image in sorted(folder.iterdir())[:EACH]:
            shutil.copy(image, root / folder.name)
    return root


def _reference(model: str, images: Path) -> float:
    command = [sys.executable, str(REFERENCE), str(images), "--regime", "scratch", "--model", model]
    done = subprocess.run([*command, "--epochs", str(EPOCHS)], check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["train_images_per_second"])


def _harness(model: str, precision: str, images: Path, folder: Path) -> float:
    study = folder / "study.yaml"
    study.write_text(
        f"name: epochs\ndataset: {{image_size: 224}}\nmodels: [{model}]\nregimes: [scratch]\n"
        f"precisions: [{precision}]\ntrain: {{epochs: {EPOCHS}}}\n"
    )
    out = folder / precision
    command = [sys.executable, "-m", "bench", "run", str(study), "--data", str(images), "--out", str(out)]
    subprocess.run([*command, "--no-report"], check=True, capture_output=True)
    (history,) = out.glob("cells/*/history.jsonl")
    epochs = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    return max(float(epoch["images_per_second"]) for epoch in epochs)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "timm_name"), PAIRS)
def test_epochs_are_faster_than_the_reference(
    name: str,
    timm_name: str,
    expect: Callable[[bool], None],
    has_bf16: bool,
    some_cells: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = _reference(timm_name, some_cells)
    rate = {precision: _harness(name, precision, some_cells, tmp_path) for precision in ("fp32", "bf16")}
    with capsys.disabled():
        shown = ", ".join(f"{key} {value:.1f} ({value / plain:.2f} times)" for key, value in rate.items())
        print(f"\n{name}: images/s of an epoch: reference {plain:.1f}, {shown}")
    expect(rate["fp32"] >= plain and (rate["bf16"] >= 2.5 * plain or not has_bf16))
