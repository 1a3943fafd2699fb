from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import RunError
from bench.results import (
    COLUMNS,
    SCHEMA_VERSION,
    CellResult,
    Memory,
    Run,
    Status,
    Timings,
    load_results,
    reach,
    to_frame,
    write_predictions,
)

amounts = st.floats(min_value=0, max_value=1e12) | st.none()


def _result(**keys: object) -> CellResult:
    cell = {"regime": "scratch", "device": "cpu", "precision": "fp32", "seed": 0}
    return CellResult.model_validate({"id": "a" * 12, "cell": cell, "label": "m", "status": "ok", **keys})


@settings(deadline=None)
@given(train=amounts, peak=amounts, price=amounts, accuracy=amounts)
def test_what_is_stored_is_read_again(
    train: float | None, peak: float | None, price: float | None, accuracy: float | None
) -> None:
    result = _result(
        timings=Timings(train_seconds=train, epoch_seconds=(1.0, 2.0)),
        memory=Memory(peak_ram_mib=peak, by_phase={"train": 1.0}),
        price_per_hour=price,
        metrics={"accuracy": accuracy},
    )
    assert CellResult.from_json(result.model_dump_json(), "here") == result


def test_unknown_keys_of_a_newer_minor_release_are_passed_over() -> None:
    raw = {**json.loads(_result().model_dump_json()), "invented_later": 1}
    assert CellResult.from_json(json.dumps(raw), "here") == _result()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "damaged"),
        ("{}", "damaged"),
        ("[]", "damaged"),
        ("null", "damaged"),
        (json.dumps({"schema_version": SCHEMA_VERSION}), "damaged"),
        (json.dumps({"schema_version": SCHEMA_VERSION + 1}), "a newer patchbench"),
        (json.dumps({"schema_version": SCHEMA_VERSION - 1}), "an older patchbench"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(RunError, match=told) as caught:
        CellResult.from_json(text, "runs/x/cells/y/result.json")
    assert "runs/x/cells/y/result.json" in str(caught.value)


def test_cost_is_time_by_price() -> None:
    assert _result(timings=Timings(total_seconds=1800), price_per_hour=1.2).cost_usd == pytest.approx(0.6)
    assert _result(timings=Timings(total_seconds=1800)).cost_usd is None
    assert _result(price_per_hour=1.2).cost_usd is None


def test_the_table_leaves_empty_what_was_not_measured() -> None:
    frame = to_frame([_result(), _result(status=Status.FAILED, metrics={"accuracy": 0.0})])
    assert tuple(frame.columns) == COLUMNS
    assert frame["train_seconds"].isna().all()
    assert frame["peak_ram_mib"].isna().all()
    assert frame["cost_usd"].isna().all()
    assert frame["accuracy"].isna().tolist() == [True, False]
    assert list(frame["status"]) == ["ok", "failed"]


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    run, folder = Run(tmp_path), tmp_path / "cells" / "x"
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 5).astype(np.float32)
    labels = np.array([0, 1, 2, 0, 1])
    names = [f"a/{i}.png" for i in range(5)]
    write_predictions(folder / "predictions.parquet", names, labels, probabilities, ["p", "ä b", "c"])
    stored = run.predictions("x")
    assert stored is not None
    assert stored.images == names
    assert np.array_equal(stored.labels, labels)
    assert np.array_equal(stored.probabilities, probabilities)
    assert np.array_equal(stored.predicted, probabilities.argmax(1))
    (folder / "predictions.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(RunError, match="damaged"):
        run.predictions("x")
    assert run.predictions("y") is None


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run folder"):
        load_results(tmp_path)
    with pytest.raises(RunError, match="is no run folder"):
        load_results(tmp_path / "missing")
    (tmp_path / "study.yaml").write_text("name: [")
    with pytest.raises(RunError, match="damaged"):
        load_results(tmp_path)


HISTORY = [
    {"epoch": n, "train_seconds": 9.0, "validation_seconds": 1.0, "validation": {"accuracy": accuracy}}
    for n, accuracy in enumerate([0.5, 0.8, 0.7, 0.9], start=1)
]


def test_time_money_and_energy_to_an_accuracy() -> None:
    result = _result(timings={"train_seconds": 50.0}, price_per_hour=3.6, energy={"by_phase": {"train": 1000.0}})
    reached = reach(result, HISTORY, 0.75)
    assert reached is not None
    assert reached.epoch == 2
    assert reached.seconds == 30  # 10 before the first epoch
    assert reached.cost_usd == pytest.approx(0.03)
    assert reached.joules == pytest.approx(600)
    assert reach(result, HISTORY, 0.95) is None
    assert reach(result, [], 0.1) is None


def test_what_was_not_measured_has_no_price() -> None:
    reached = reach(_result(), HISTORY, 0.9)
    assert reached is not None
    assert (reached.seconds, reached.cost_usd, reached.joules) == (40, None, None)
