from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import RunError
from bench.results.history import EpochRecord, PassScores
from bench.results.predictions import write_predictions
from bench.results.read import parse_lines
from bench.results.run import Run, load_results
from bench.results.schema import SCHEMA_VERSION, CellResult, Memory, Status, Timings
from bench.results.table import COLUMNS, to_frame
from bench.results.time_to_accuracy import reach

amounts = st.floats(min_value=0, max_value=1e12) | st.none()


def _result(**keys: object) -> CellResult:
    axes = {"regime": "scratch", "device": "cpu", "precision": "fp32", "seed": 0}
    cell = {"model": {"name": "m"}, **axes, "train": {}, "fingerprint": "f", "split_hash": "s"}
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
    ("text", "message"),
    [
        ("", "damaged"),
        ("{}", "damaged"),
        ("[]", "damaged"),
        ("null", "damaged"),
        (json.dumps({"schema_version": SCHEMA_VERSION}), "damaged"),
        (json.dumps({"schema_version": SCHEMA_VERSION + 1}), "a newer patchbench"),
        (json.dumps({"schema_version": 0}), "an older patchbench"),
        (json.dumps({"schema_version": 1}), "damaged"),
        (json.dumps({"schema_version": "2"}), "damaged"),
    ],
)
def test_what_cannot_be_read_is_reported_with_its_place(text: str, message: str) -> None:
    with pytest.raises(RunError, match=message) as caught:
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
    run, folder = _run(tmp_path), tmp_path / "cells" / "x"
    names, labels, classes = run.test_images.names, run.test_images.labels, run.test_images.classes
    probabilities = np.random.default_rng(0).dirichlet([1] * len(classes), len(names)).astype(np.float32)
    write_predictions(folder / "predictions.parquet", names, labels, probabilities, classes)
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
    with pytest.raises(RunError, match="is not a run folder"):
        load_results(tmp_path)
    with pytest.raises(RunError, match="is not a run folder"):
        load_results(tmp_path / "missing")
    (tmp_path / "study.yaml").write_text("name: [")
    with pytest.raises(RunError, match="damaged"):
        load_results(tmp_path)


def _run(folder: Path) -> Run:
    """A run of one cell, ``x``, whose files are whole."""
    (folder / "cells" / "x").mkdir(parents=True)
    (folder / "cells" / "x" / "result.json").write_text(_result(id="x").model_dump_json())
    (folder / "study.yaml").write_text("name: a\nmodels: [m]")
    (folder / "dataset.json").write_text((STORED / "dataset.json").read_text())
    (folder / "environment.json").write_text("{}")
    axes = {"regime": "scratch", "device": "cpu", "precision": "fp32", "seed": 0}
    cells = [{"id": "x", "label": "m", "model": "m", "family": "vit", **axes}]
    (folder / "plan.json").write_text(json.dumps({"cells": cells}))
    return Run(folder)


STORED = Path(__file__).parent / "data" / "version_1"
NESTED = b"[" * 100_000
NO_TEXT = b'{"name": "\xff"}'
READ: dict[str, Callable[[Run], object]] = {
    "study.yaml": lambda run: run.study,
    "dataset.json": lambda run: run.dataset,
    "environment.json": lambda run: run.environment,
    "plan.json": Run.plan,
    "cells/x/result.json": Run.results,
}


@pytest.mark.parametrize("content", [NESTED, NO_TEXT, b"5"], ids=["nested", "no text", "no mapping"])
@pytest.mark.parametrize("name", READ)
def test_a_damaged_file_is_one_message_that_names_it(tmp_path: Path, name: str, content: bytes) -> None:
    run = _run(tmp_path)
    READ[name](run)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError, match="damaged") as caught:
        READ[name](run)
    assert str(tmp_path / name) in str(caught.value)
    assert len(str(caught.value)) < 1000
    if name.startswith("cells"):
        with pytest.raises(RunError, match="damaged"):
            run.result("x")


def test_a_date_that_is_none_makes_no_traceback(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (tmp_path / "study.yaml").write_text("started: 2026-01-40")
    with pytest.raises(RunError, match=r"study\.yaml is damaged"):
        _ = run.study


@pytest.mark.parametrize("cells", [[{}], [1], [{"id": ["x"]}], [{"id": None}], {"id": "x"}, 5])
def test_a_plan_whose_cells_have_no_name_is_damaged(tmp_path: Path, cells: object) -> None:
    run = _run(tmp_path)
    assert run.missing() == []
    (tmp_path / "plan.json").write_text(json.dumps({"cells": cells}))
    for read in (run.plan, run.results, run.missing):
        with pytest.raises(RunError, match=r"plan\.json is damaged.*Run the study again"):
            read()


def test_thumbnails_that_are_damaged_are_reported(tmp_path: Path) -> None:
    run = _run(tmp_path)
    assert run.thumbnails() == {}
    path = tmp_path / "thumbnails.parquet"
    pq.write_table(pa.table({"name": ["a"], "jpeg": [b"\xff\xd8"]}), path)
    assert run.thumbnails() == {"a": b"\xff\xd8"}
    whole = path.read_bytes()
    pq.write_table(pa.table({"name": ["a"], "other": [1]}), path)
    without = path.read_bytes()
    pq.write_table(pa.table({"name": ["a"], "jpeg": [[1]]}), path)
    for content in (b"", b"PAR1 and nothing", whole[:-20], without, path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"(?s)thumbnails\.parquet is damaged .*Delete it"):
            run.thumbnails()


WRONG_FIELD: dict[str, tuple[str, str]] = {
    "study.yaml": ("name: a\nmodels: [m]\nseeds: [a]", "seeds.0"),
    "dataset.json": (json.dumps({**json.loads((STORED / "dataset.json").read_text()), "labels": ["x"]}), "labels.0"),
    "environment.json": ('{"schema_version": 2, "cpu": {"cores": "many"}}', "cpu.cores"),
    "plan.json": ('{"cells": [{"id": "x", "seed": "one"}]}', "cells.0"),
    "cells/x/result.json": (_result(id="x").model_dump_json().replace('"epochs":0', '"epochs":"all"'), "epochs"),
}


@pytest.mark.parametrize("name", READ)
def test_a_field_that_is_wrong_is_named_with_its_file(tmp_path: Path, name: str) -> None:
    run, (content, field) = _run(tmp_path), WRONG_FIELD[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(RunError) as caught:
        READ[name](run)
    assert str(caught.value).startswith(f"{tmp_path / name} is damaged ({field}")


@pytest.mark.parametrize("name", READ)
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    run = _run(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    if name == "cells/x/result.json":
        with pytest.raises(RunError, match="not a regular file"):
            run.result("x")
    with pytest.raises(RunError, match="not a regular file"):
        READ[name](run)


def test_a_file_that_no_run_writes_is_not_read_into_memory(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with (tmp_path / "study.yaml").open("ab") as file:
        file.truncate(2**23)
    with pytest.raises(RunError, match="larger than 1 MiB"):
        _ = run.study


def test_a_run_opens_without_the_package_that_brought_its_source(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (tmp_path / "study.yaml").write_text("name: a\nmodels: [m]\ndataset: {source: of_a_package, path: images.xyz}")
    assert load_results(tmp_path).study.dataset.source == "of_a_package"
    assert run.study.dataset.kind == "of_a_package"


def test_a_key_that_decides_on_a_result_is_not_passed_over(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (tmp_path / "study.yaml").write_text("name: a\nmodels: [m]\ntrain: {invented_later: 1}")
    with pytest.raises(RunError, match=r"study\.yaml was written by another version .* holds train\.invented_later"):
        _ = run.study
    result = json.loads(_result(id="x").model_dump_json())
    result["cell"]["invented_later"] = 1
    with pytest.raises(RunError, match=r"^here was written by another version .* holds cell\.invented_later"):
        CellResult.from_json(json.dumps(result), "here")


def test_a_line_of_the_history_that_is_wrong_is_named(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (tmp_path / "cells" / "x" / "history.jsonl").write_text('{"epoch": 1}\n{"epoch": 2, "lr": "high"}\n')
    with pytest.raises(RunError, match=r"history\.jsonl, line 2 is damaged \(lr: "):
        run.history("x")


def test_a_loss_that_is_not_a_number_is_stored_and_read(tmp_path: Path) -> None:
    run, record = _run(tmp_path), EpochRecord(epoch=1, train=PassScores(loss=math.nan), validation=None)
    (tmp_path / "cells" / "x" / "history.jsonl").write_text(record.model_dump_json() + "\n")
    (found,) = run.history("x")
    assert found.train.loss is not None
    assert math.isnan(found.train.loss)


def test_a_line_of_the_history_that_is_damaged_hides_no_epoch_after_it(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (tmp_path / "cells" / "x" / "history.jsonl").write_bytes(b'{"epoch": 1}\n' + NESTED + b'\n{"epoch": 3}\n')
    with pytest.raises(RunError, match=r"history\.jsonl, line 2 is damaged"):
        run.history("x")


@given(epochs=st.integers(0, 5), cut=st.integers(min_value=0))
def test_a_last_line_that_a_kill_cut_short_is_left_out(epochs: int, cut: int) -> None:
    written = [EpochRecord(epoch=epoch, lr=0.001) for epoch in range(1, epochs + 1)]
    text = "".join(f"{record.model_dump_json()}\n" for record in written)
    kept = text[: cut % (len(text) + 1)]
    read = parse_lines(kept, Path("history.jsonl"), EpochRecord, advice="")
    assert read == written[: len(read)]
    assert len(read) >= kept.count("\n")


HISTORY = [
    EpochRecord(epoch=n, train_seconds=9.0, validation_seconds=1.0, validation=PassScores(accuracy=accuracy))
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
