"""Scores that were edited, or whose predictions were, are refused wherever a run is read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import RunError
from bench.results.predictions import write_predictions
from bench.results.run import Run, load_results
from bench.results.schema import CellResult
from bench.runner.reproduce import reproduce
from bench.stats.metrics import METRICS, confusion_matrix, summary
from reports import compare_runs, export, render_report
from reports.comparison.reproducibility import agreement
from tests.reports.run_folder import Recipe, build_run, change_stored

SMALL = [("a_p16", "vit", 16, 9_000_000, 3.0), ("b", "cnn", None, 9_000_000, 2.0)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe(models=SMALL, devices=("cpu",), images=60, epochs=2, bad={}, not_run=(), thumbnails=False)
    return build_run(tmp_path_factory.mktemp("whole") / "run", recipe)


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "run")


def _edit(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    change_stored(min(run.glob("cells/*/result.json")), CellResult, edit)


@pytest.mark.parametrize("name", METRICS.entries)
def test_every_score_is_held_against_the_predictions(run: Path, name: str) -> None:
    _edit(run, lambda result: result["metrics"].update({name: result["metrics"][name] * 0.9 + 0.02}))
    with pytest.raises(RunError, match=rf"result\.json is damaged \(a_p16 .*: {name} [\d.]+ is stored, its .* gives? "):
        load_results(run).results()


def test_a_score_that_is_gone_or_new_contradicts_too(run: Path) -> None:
    _edit(run, lambda result: result["metrics"].update(kappa=None))
    with pytest.raises(RunError, match="kappa nothing is stored, its confusion matrix gives 0"):
        load_results(run).results()


def test_a_matrix_that_was_edited_with_its_scores_contradicts_the_predictions(run: Path) -> None:
    def flatter(result: dict[str, Any]) -> None:
        size = len(result["confusion"])
        counts = [sum(row) for row in result["confusion"]]
        result["confusion"] = np.diag(counts).tolist()
        result["metrics"] |= dict.fromkeys(("accuracy", "balanced_accuracy", "kappa", "macro_f1"), 1.0)
        assert size == 8

    _edit(run, flatter)
    with pytest.raises(RunError, match="confusion is not what its predictions give"):
        load_results(run).results()


def test_predictions_of_another_cell_contradict(run: Path) -> None:
    first, second = sorted(run.glob("cells/*/predictions.parquet"))
    shutil.copy(second, first)
    with pytest.raises(RunError, match="is damaged"):
        load_results(run).results()


def test_without_predictions_the_matrix_has_to_do(run: Path) -> None:
    cell = min(run.glob("cells/*"))
    (cell / "predictions.parquet").unlink()
    assert len(load_results(run).results()) == 2
    assert "Scores that cannot be checked" in render_report([run]).read_text(encoding="utf-8")
    _edit(run, lambda result: result["metrics"].update(accuracy=0.99))
    with pytest.raises(RunError, match=r"accuracy 0\.99 is stored, its confusion matrix gives"):
        load_results(run).results()


def _vote(run: Path, neighbors: int = 15) -> None:
    """Give the first cell the votes of neighbors: they lie on the edges of bins, and tie."""
    cell, tested = min(run.glob("cells/*")), Run(run).test_images
    votes = np.random.default_rng(0).multinomial(neighbors, [1 / 8] * 8, len(tested.names)) / neighbors
    scores = {
        "metrics": summary(tested.labels, votes),
        "confusion": confusion_matrix(tested.labels, votes.argmax(axis=1), 8).tolist(),
    }
    _edit(run, lambda result: result.update(scores))
    write_predictions(cell / "predictions.parquet", tested.names, tested.labels, votes, tested.classes)


def test_rounding_to_float32_is_no_contradiction(run: Path) -> None:
    """They were scored before they were stored as float32."""
    _vote(run)
    assert load_results(run).results()


@pytest.mark.parametrize("name", ["log_loss", "brier"])
def test_ties_excuse_no_score_that_does_not_depend_on_them(run: Path, name: str) -> None:
    _vote(run)
    _edit(run, lambda result: result["metrics"].update({name: result["metrics"][name] - 0.01}))
    with pytest.raises(RunError, match=f"{name} [0-9.]+ is stored, its predictions give"):
        load_results(run).results()


def test_a_tie_may_be_broken_otherwise_but_for_a_class_that_ties(run: Path) -> None:
    _vote(run)
    tested, cell = Run(run).test_images, min(run.glob("cells/*"))
    stored = Run(run).predictions(cell.name)
    assert stored is not None
    votes = stored.probabilities
    image = int(np.flatnonzero((votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 2)[0])
    first, second = np.flatnonzero(votes[image] == votes[image].max())
    never = int(votes[image].argmin())

    def predict(other: int) -> None:
        predicted = votes.argmax(axis=1)
        predicted[image] = other
        matrix = confusion_matrix(tested.labels, predicted, 8)
        scores = {
            name: metric.score(tested.labels, votes.astype(np.float64), matrix)
            for name, metric in METRICS.load_all().items()
        }
        _edit(run, lambda result: result.update(metrics=scores, confusion=matrix.tolist()))

    assert votes[image].argmax() == first
    predict(int(second))
    assert load_results(run).results()
    predict(never)
    if (votes[tested.labels == tested.labels[image]].argmax(axis=1) != never).all():
        with pytest.raises(RunError, match="confusion is not what its predictions give"):
            load_results(run).results()


@pytest.mark.parametrize(
    "read",
    [
        lambda _, run: render_report([run]),
        lambda whole, run: compare_runs(whole, run),
        lambda whole, run: agreement(whole, run),
        lambda _, run: [export(run, form, run / "out") for form in ("csv", "json", "markdown", "latex")],
        lambda _, run: export(run, "figures"),
        lambda _, run: export(run, "model-cards"),
        lambda _, run: reproduce(run),
    ],
    ids=["report", "compare", "agreement", "tables", "figures", "model-cards", "reproduce"],
)
def test_whoever_reads_the_run_refuses_it(run: Path, whole: Path, read: Callable[[Path, Path], object]) -> None:
    _edit(run, lambda result: result["metrics"].update(accuracy=0.99))
    with pytest.raises(RunError, match=r"accuracy 0\.99 is stored"):
        read(whole, run)


def test_the_command_ends_with_2_and_one_message(run: Path) -> None:
    _edit(run, lambda result: result["metrics"].update(accuracy=0.99))
    done = subprocess.run(
        [sys.executable, "-m", "bench", "report", str(run)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "accuracy 0.99 is stored, its confusion matrix gives" in done.stderr
