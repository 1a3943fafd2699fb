"""Whether a run and its repetition agree, on made runs; with real ones: tests/bench/runner/test_reproduce.py."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.results.schema import CellResult
from reports.comparison.reproducibility import agreement
from reports.text.i18n import translator
from tests.reports.run_folder import change_stored, store_predicted

MakeTwice = Callable[..., tuple[Path, Path]]
"""A run of so many cells (and test images) and its copy."""
ONE = [("net", "cnn", None, 9_000_000, 3.0)]


@pytest.fixture
def twice(make_run: Callable[..., Path]) -> MakeTwice:
    def make(cells: int, images: int = 8) -> tuple[Path, Path]:
        first = make_run(models=ONE, classes=["a", "b"], devices=("cpu",), seeds=tuple(range(cells)), images=images,
                         epochs=1, bad={}, not_run=(), thumbnails=False)  # fmt: skip
        return first, shutil.copytree(first, first.with_name("again"))

    return make


def test_nothing_trained_in_either_run_agrees(twice: MakeTwice) -> None:
    runs = twice(2)
    for run in runs:
        for path in run.glob("cells/*/result.json"):
            change_stored(path, CellResult, lambda result: result.update(metrics={}, confusion=[]))
            (path.parent / "predictions.parquet").unlink()
    found = agreement(*runs)
    assert found.agrees
    assert list(found.lines())[-1][1] == "Nothing was trained in either run, so there are no scores that could differ."


@pytest.mark.parametrize(("lost", "verdict"), [(14, "within the interval"), (30, "differs")])
def test_the_ends_of_an_interval_for_many_cells_are_not_the_outermost_draws(
    twice: MakeTwice, lost: int, verdict: str
) -> None:
    """60 cells, so that each of 180 differences has a level of 99.97 %: 2,000 draws do not reach that far out."""
    first, again = twice(60, 400)
    labels = np.arange(400) % 2
    for run, wrong in ((first, slice(398, 400)), (again, slice(lost))):
        predicted = labels.copy()
        predicted[wrong] = 1 - predicted[wrong]
        store_predicted(run, min(run.glob("cells/*")).name, predicted)
    verdicts = [cell.verdict for cell in agreement(first, again).cells]
    assert (verdicts[0], set(verdicts[1:])) == (verdict, {"identical"})


def test_it_is_reported_in_spanish_too(twice: MakeTwice) -> None:
    runs = twice(2)
    (changed, lost) = sorted(runs[1].glob("cells/*"))
    store_predicted(runs[1], changed.name, 1 - np.arange(8) % 2)
    (lost / "result.json").unlink()
    spanish = translator("es")
    first, second, last = (text for _kind, text in agreement(runs[0], runs[1], spanish).lines(spanish))
    assert "semilla 0: " in first
    assert "imágenes de prueba cambiaron de clase; ahora menos antes, en puntos: Exactitud " in first
    assert "; entrenamiento antes " in first
    assert second.endswith("semilla 1: sin ejecutar")
    assert last.endswith("celdas concuerdan con la primera ejecución.")
