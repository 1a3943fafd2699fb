from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.inputs.load import load_report_data
from reports.inputs.significance import compute_significance
from reports.page.conclusions import verdict
from reports.text.i18n import ENGLISH
from tests.known import known

NEAR = [("near-a", "vit", 16, 10_000_000, 3.5), ("near-b", "cnn", None, 10_000_000, 3.45)]
FAR = [("good", "vit", 16, 10_000_000, 6.0), ("bad", "cnn", None, 10_000_000, 0.6)]


def sentences(folder: Path) -> str:
    data = load_report_data([folder])
    return " ".join(verdict(data, compute_significance(data), ENGLISH))


def test_no_winner_is_named_that_the_tests_do_not_separate(make_run: Callable[..., Path]) -> None:
    text = sentences(make_run(models=NEAR, devices=("cpu",), images=120))
    assert text.startswith("No single winner.")
    assert "most accurate" not in text
    assert "does not separate them" in text


def test_a_clear_winner_is_named(make_run: Callable[..., Path]) -> None:
    text = sentences(make_run(models=FAR, devices=("cpu",), images=240))
    assert text.startswith("good is the most accurate:")
    assert "the test separates them" in text


def test_one_model_is_compared_with_nothing(make_run: Callable[..., Path]) -> None:
    assert "no other model" in sentences(make_run(models=FAR[:1], devices=("cpu",), images=80))


def test_without_predictions_only_the_range_is_reported(make_run: Callable[..., Path]) -> None:
    run = make_run(models=FAR, devices=("cpu",), images=80)
    for path in run.glob("cells/*/predictions.parquet"):
        path.unlink()
    text = sentences(run)
    assert text.startswith("Accuracy runs from")
    assert "no model is called better" in text


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_one_cell_a_model_is_tested_whatever_the_seeds(make_run: Callable[..., Path], seeds: tuple[int, ...]) -> None:
    data = load_report_data([make_run(models=NEAR, seeds=seeds, images=80)])
    significance = compute_significance(data)
    assert [entry.seed for entry in significance.tested] == [0, 0]
    assert len(significance.comparisons) == 1


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_it_says_that_one_seed_was_tested_where_there_are_more(
    make_run: Callable[..., Path], seeds: tuple[int, ...]
) -> None:
    run = make_run(models=NEAR, seeds=seeds, devices=("cpu",), images=80)
    scores: dict[str, list[float]] = {}
    for entry in load_report_data([run]).ok:
        scores.setdefault(entry.label, []).append(known(known(entry.result).metrics["accuracy"]))
    spread = max(max(found) - min(found) for found in scores.values())
    shown = f"accuracy differed by up to {spread * 100:.1f} points."
    assert (shown in sentences(run)) == (len(seeds) > 1)
