"""Runs that hold odd names, that are damaged, or that are large."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import RunError
from reports import render_report
from tests.reports.run_folder import CLASSES, change_results, store_predicted

TWO = [("a_p16", "vit", 16, 9_000_000, 3.0), ("b", "cnn", None, 9_000_000, 2.0)]


ODD = [
    "",
    " ",
    "a\nb",
    "\u202eright to left",
    "\x08bell\x07",
    "x" * 400,
    "🩸",
    "]]>",
    "&amp;",
    "'\"`",
    "<!--",
    "%s {0} {x}",
]


@pytest.mark.parametrize("odd", [ODD, *(pytest.param([name], marks=pytest.mark.slow) for name in ODD)])
def test_odd_names_of_classes_and_models(make_run: Callable[..., Path], odd: list[str]) -> None:
    """All in one page, and each alone, where no other can close what it opens."""
    classes = ["plain", *odd]
    models = [*((name or "empty", "vit", 16, 9_000_000, 3.0) for name in odd), *TWO]
    page = render_report([make_run(models=models, classes=classes, devices=("cpu",), images=60)])
    text = page.read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>")
    assert "<!--" not in text.split("<script>")[0].replace("&lt;!--", "")


def test_one_class_is_never_predicted_and_one_is_absent(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=len(CLASSES) - 1)
    for cell in run.glob("cells/*"):
        store_predicted(run, cell.name, np.zeros(len(CLASSES) - 1, dtype=np.int64))
    text = render_report([run]).read_text(encoding="utf-8")
    assert "no test image is of this class" in text
    assert "no image was predicted to be of this class" in text


def test_a_result_that_is_damaged_is_named(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60)
    path = next(run.glob("cells/*/result.json"))
    path.write_text(path.read_text()[:100])
    with pytest.raises(RunError, match="is damaged"):
        render_report([run])


def test_without_stored_images_the_answers_are_still_shown(make_run: Callable[..., Path]) -> None:
    text = render_report([make_run(models=TWO, images=60, thumbnails=False)]).read_text(encoding="utf-8")
    assert "no image stored" in text
    assert "data:image" not in text


def test_a_backbone_frozen_at_random_is_reported_and_counted_by_no_claim(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60)
    change_results(run, lambda result: result["cell"]["model"].update(weights="none"))
    text = render_report([run]).read_text(encoding="utf-8")
    assert "Frozen without pre-training" in text
    claim = text[text.index("ViTs reach the accuracy of CNNs") :]
    assert 'class="pill o-not-enough-evidence"' in claim[: claim.index("</dd>")]


@pytest.mark.slow
def test_a_hundred_cells_are_a_page_of_ten_megabytes(make_run: Callable[..., Path]) -> None:
    models = [(f"model-{i}_p16", ("vit", "cnn")[i % 2], 16, 10**6 * (i + 1), 2 + i % 5 * 0.5) for i in range(10)]
    run = make_run(models=models, seeds=(0, 1, 2, 3, 4), images=400, epochs=20)
    page = render_report([run])
    assert page.stat().st_size < 10 * 2**20


def test_torch_is_never_imported(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60)
    script = (
        "import sys, reports; before = {'matplotlib', 'altair', 'pandas'} & set(sys.modules); "
        f"reports.render_report([{str(run)!r}]); print(sorted(before), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "False"]


def test_a_study_that_only_measures_speed(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60)

    def untrained(result: dict[str, Any]) -> None:
        result |= {"metrics": {}, "confusion": [], "epochs": 0, "best_epoch": None}
        result["timings"] |= {"train_seconds": None, "evaluate_seconds": None, "epoch_seconds": []}

    change_results(run, untrained)
    for path in run.glob("cells/*/result.json"):
        (path.parent / "predictions.parquet").unlink()
        (path.parent / "history.jsonl").unlink()
    text = render_report([run]).read_text(encoding="utf-8")
    assert "No cell has an accuracy" in text
    assert '<section id="inference"' in text
    assert '<section id="models"' not in text
    assert "onnxruntime &lt;is not installed&gt;" in text
