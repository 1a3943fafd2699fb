"""Cost of reaching an accuracy, by hand on a made run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.results.history import EpochRecord, PassScores
from bench.results.run import load_results
from reports.inputs.load import load_report_data
from reports.sections.time_to_accuracy import reaching
from reports.text.i18n import ENGLISH
from tests.reports.run_folder import change_results, write_history

TWO = [("quick", "vit", 16, 9_000_000, 4.0), ("slow", "cnn", None, 9_000_000, 4.0)]
VALIDATION = {"quick": (0.4, 0.72, 0.91), "slow": (0.3, 0.5, 0.75)}


@pytest.fixture
def run(make_run: Callable[..., Path]) -> Path:
    folder = make_run(models=TWO, devices=("cpu",), images=80, bad={}, not_run=())

    def timed(result: dict[str, Any]) -> None:
        result["timings"]["train_seconds"] = 36.0
        result["energy"] = {"joules": 90.0, "by_phase": {"train": 72.0}}

    change_results(folder, timed)
    for stored in load_results(folder).results():
        epochs = [
            EpochRecord(
                epoch=number,
                train=PassScores(accuracy=0.5),
                validation=PassScores(accuracy=score),
                train_seconds=9.0,
                validation_seconds=1.0,
            )
            for number, score in enumerate(VALIDATION[stored.label], 1)
        ]
        write_history(folder / "cells" / stored.id, epochs)
    return folder


def test_what_one_half_and_all_reached_the_quickest_first(run: Path) -> None:
    found = reaching(load_report_data([run]), ENGLISH)
    assert found is not None
    rows = [(row.level.raw, row.title.split(" ")[0], row.epoch.raw) for row in found["rows"]]
    assert rows == [
        *((0.9, "quick", 3), (0.9, "slow", None)),
        *((0.7, "quick", 2), (0.7, "slow", 3)),
    ]
    first, none = found["rows"][:2]
    assert first.time.raw == pytest.approx(36)  # 6 s before the first epoch, and three of 10 s
    assert first.cost.raw == pytest.approx(36 / 3600 * 0.1)
    assert first.energy.raw == pytest.approx(72)
    assert none.time.is_missing
    assert none.time.title == none.cost.title == "not reached"


def test_nothing_trained_nothing_shown(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=80, bad={}, not_run=())
    for path in run.glob("cells/*/history.jsonl"):
        path.unlink()
    assert reaching(load_report_data([run]), ENGLISH) is None


def test_an_epoch_that_was_not_validated_takes_its_time_and_reaches_nothing(run: Path) -> None:
    for path in run.glob("cells/*/history.jsonl"):
        first, *rest = load_results(run).history(path.parent.name)
        skipped = first.model_copy(update={"validation": None, "validation_seconds": None})
        write_history(path.parent, [skipped, *rest])
    found = reaching(load_report_data([run]), ENGLISH)
    assert found is not None
    first = found["rows"][0]
    assert (first.level.raw, first.epoch.raw) == (0.9, 3)
    assert first.time.raw == pytest.approx(36)
