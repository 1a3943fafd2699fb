"""A run of a study: what is done stays, what is not done is done by the next run, nothing is half-written."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from bench.errors import BenchError, DependencyError, RunError
from bench.execution.executor import EXECUTORS
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import Outcome
from bench.execution.messages.progress import Progress
from bench.results.notice import verbatim
from bench.results.run import load_results
from bench.results.schema import CellResult, Failure, Status
from bench.results.settings import CellContext
from bench.runner.events import CellSkipped, DataProgress, Event, Planned
from bench.runner.folder import hold_folder
from bench.runner.study import run_study
from bench.stats.metrics import METRICS
from bench.study.schema import Study
from reports.text.messages import word
from tests.bench.runner.run_contents import content, started, statuses

MakeStudy = Callable[..., Study]
Child = Callable[[str], None]
HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_holds_everything_and_a_second_one_starts_nothing(
    small_study: MakeStudy, child: Child, tmp_path: Path
) -> None:
    child("write_outcome()")
    events: list[Event] = []
    run = run_study(small_study(), out=tmp_path / "r", on_event=events.append)
    assert statuses(run) == ["ok"] * 3
    assert started(events) == [0, 1, 2]
    assert isinstance(next(event for event in events if not isinstance(event, DataProgress)), Planned)
    assert run.missing() == []
    assert _names(run.path) == {
        *("study.yaml", "dataset.json", "environment.json", "plan.json", "thumbnails.parquet", "cells")
    }
    for cell in run.plan():
        assert _names(run.cell_folder(cell.id)) == {"log.txt", "predictions.parquet", "result.json"}
        stored = run.predictions(cell.id)
        assert stored is not None
        assert len(stored.images) == run.dataset.splits.count("test")
    assert load_results(run.path).study == Study.model_validate(yaml.safe_load((run.path / "study.yaml").read_text()))
    before = content(run.path / "cells")
    again: list[Event] = []
    run_study(small_study(), out=tmp_path / "r", on_event=again.append)
    assert started(again) == []
    assert sum(isinstance(event, CellSkipped) for event in again) == 3
    assert content(run.path / "cells") == before


def test_failed_cells_wait_for_retry(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome() if seed != 1 else sys.exit('no')")
    run = run_study(small_study(), out=tmp_path / "r")
    assert statuses(run) == ["ok", "failed", "ok"]
    child("write_outcome()")
    events: list[Event] = []
    run_study(small_study(), out=tmp_path / "r", on_event=events.append)
    assert started(events) == []
    run_study(small_study(), out=tmp_path / "r", retry="failed", on_event=events.append)
    assert started(events) == [1]
    assert statuses(run) == ["ok"] * 3


def test_weights_that_are_not_there_are_told_and_wait_for_retry(
    small_study: MakeStudy, child: Child, tmp_path: Path
) -> None:
    """Full disk, another reason, keep_models set only later: all the same but for what the format cannot hold."""
    study = small_study().model_copy(update={"keep_models": True})
    kept = "open(folder + '/model.safetensors', 'w').close()"
    lost = "{'context': {'notices': [{'code': codes[seed], 'values': {'reason': 'why'}}]}}"
    child(
        f"codes = [0, 'model_not_stored', 'model_not_kept']\n{kept} if seed == 0 else 0\n"
        f"write_outcome(**({lost} if seed else {{}}))"
    )
    run = run_study(study, out=tmp_path / "r")
    events: list[Event] = []
    run_study(study, out=tmp_path / "r", on_event=events.append)
    assert started(events) == []
    (planned,) = (event for event in events if isinstance(event, Planned))
    (warning,) = planned.warnings[len(run.dataset.warnings) :]
    assert (warning.code, warning.values["count"]) == ("models_missing", 1)
    assert "--retry failed" in word(warning)
    child(f"{kept}; write_outcome()")
    events.clear()
    run_study(study, out=tmp_path / "r", retry="failed", on_event=events.append)
    assert started(events) == [1]
    (planned,) = (event for event in events if isinstance(event, Planned))
    assert planned.warnings == tuple(run.dataset.warnings)


def test_threads_that_are_no_number_end_a_run_before_anything_is_read(
    small_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    study = small_study()
    with pytest.raises(RunError, match="OMP_NUM_THREADS is 'many'"):
        run_study(study.model_copy(update={"train": study.train.model_copy(update={"threads": None})}), out=tmp_path)


def test_a_missing_device_is_a_row_and_is_tried_again(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    missing = 'write_outcome(status="unavailable", error=failure("DeviceError", "this machine has no cuda"))'
    child(missing)
    events: list[Event] = []
    run = run_study(small_study(2, devices=("cuda",)), out=tmp_path / "r", on_event=events.append)
    assert statuses(run) == ["unavailable"] * 2
    child("write_outcome()")
    run_study(small_study(2, devices=("cuda",)), out=tmp_path / "r")
    assert statuses(run) == ["ok"] * 2


@pytest.mark.parametrize(
    "script",
    [
        "write_outcome(); os.remove(folder + '/probabilities.npy')",
        "write_outcome(); open(folder + '/probabilities.npy', 'wb').write(b'broken')",
        "write_outcome(); open(folder + '/probabilities.npy', 'wb').close()",
        "write_outcome(); os.truncate(folder + '/probabilities.npy', 150)",
        "write_outcome(count=1)",
        "write_outcome(classes=3)",
        "write_outcome(value=float('nan'))",
        "write_outcome(value=0.9)",
        "write_outcome(value=-0.5)",
    ],
)
def test_predictions_that_cannot_be_make_a_failure(
    small_study: MakeStudy, child: Child, tmp_path: Path, script: str
) -> None:
    child(script)
    run = run_study(small_study(1), out=tmp_path / "r")
    (result,) = run.results()
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == "broken result"
    assert result.metrics == {}
    assert run.predictions(result.id) is None


def test_more_seeds_join_a_run_that_is_there(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")
    run_study(small_study(2), out=tmp_path / "r")
    events: list[Event] = []
    run = run_study(small_study(3), out=tmp_path / "r", on_event=events.append)
    assert started(events) == [2]
    assert statuses(run) == ["ok"] * 3


@pytest.mark.parametrize(
    "keys",
    [
        {"train": {"epochs": 2}},
        {"name": "other"},
        {"dataset": {"source": "synthetic", "count": 90, "image_size": 32, "classes": 2}},
        {"split": {"seed": 5}},
    ],
)
def test_the_folder_of_another_study_is_refused_and_left_alone(
    small_study: MakeStudy, child: Child, tmp_path: Path, keys: dict[str, Any]
) -> None:
    child("write_outcome()")
    run_study(small_study(1), out=tmp_path / "r")
    before = content(tmp_path / "r")
    with pytest.raises(RunError, match="belongs to another study or data set"):
        run_study(small_study(1, **keys), out=tmp_path / "r")
    assert content(tmp_path / "r") == before


def test_a_folder_of_something_else_is_refused_and_left_alone(small_study: MakeStudy, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"sun")
    with pytest.raises(RunError, match=r"not empty \(holiday.jpg\)"):
        run_study(small_study(1), out=tmp_path)
    assert content(tmp_path) == {"holiday.jpg": hashlib.sha256(b"sun").hexdigest()}


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (0, "written by an older patchbench"),
        (99, "written by a newer patchbench"),
        ("x", r"is damaged \(schema_version: 'x'"),
    ],
)
def test_results_of_another_schema_are_refused_and_left_alone(
    small_study: MakeStudy, child: Child, tmp_path: Path, version: object, message: str
) -> None:
    child("write_outcome()")
    run = run_study(small_study(2), out=tmp_path / "r")
    path = run.cell_folder(run.plan()[1].id) / "result.json"
    text = json.dumps({**json.loads(path.read_text()), "schema_version": version})
    path.write_text(text)
    with pytest.raises(RunError, match=message):
        run_study(small_study(2), out=tmp_path / "r")
    assert path.read_text() == text


def test_a_damaged_result_is_reported_with_its_path(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")
    run = run_study(small_study(1), out=tmp_path / "r")
    path = run.cell_folder(run.plan()[0].id) / "result.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(RunError, match="is damaged"):
        run_study(small_study(1), out=tmp_path / "r")


def test_a_finished_run_does_no_work_on_pixels(
    small_study: MakeStudy, child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither with its cache nor without one, where what the audit has found is known."""
    child("write_outcome()")
    study = small_study(2, dataset=_folder_of_images(tmp_path / "images"))
    run_study(study, out=tmp_path / "r")

    def work(*_: object, **__: object) -> None:
        raise AssertionError("work on pixels")

    with monkeypatch.context() as patch:
        for place in (
            "bench.data.prepare.examine",
            "bench.data.prepare.cache.whole",
            "bench.data.prepare.cache.building",
        ):
            patch.setattr(place, work)
        for cache in (None, tmp_path / "once"):
            assert statuses(run_study(study, out=tmp_path / "r", cache=cache)) == ["ok"] * 2
    events: list[Event] = []
    run_study(study.model_copy(update={"seeds": (0, 1, 2)}), out=tmp_path / "r", on_event=events.append)
    assert started(events) == [2]


def _folder_of_images(folder: Path) -> dict[str, object]:
    """The dataset section of a study of forty images of two classes."""
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return {"source": "folder", "path": str(folder), "image_size": 32}


@pytest.mark.parametrize("there", [False, True])
def test_data_that_cannot_be_used_leaves_nothing_behind(small_study: MakeStudy, tmp_path: Path, there: bool) -> None:
    (tmp_path / "images" / "only").mkdir(parents=True)
    out = tmp_path / "runs" / "r"
    if there:
        out.mkdir(parents=True)
    study = small_study(1, dataset={"source": "folder", "path": str(tmp_path / "images"), "image_size": 32})
    with pytest.raises(BenchError, match="no images found"):
        run_study(study, out=out)
    assert _names(tmp_path) == ({"images", "runs"} if there else {"images"})
    assert not there or _names(out) == set()


def test_what_a_run_that_was_stopped_early_has_stored_stays(
    small_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.runner.study.pixel_arrays", stop)
    with pytest.raises(KeyboardInterrupt):
        run_study(small_study(1), out=tmp_path / "r")
    assert {"study.yaml", "dataset.json", "plan.json"} <= _names(tmp_path / "r")
    assert ".lock" not in _names(tmp_path / "r")


def test_a_metric_that_cannot_be_imported_ends_the_run_before_its_first_cell(
    small_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("mine", "absent_package_of_the_tests:MINE", "patchbench.metrics")
    monkeypatch.setattr(METRICS, "_installed", {"mine": point})
    with pytest.raises(DependencyError, match=r"the metric 'mine' .* cannot be imported"):
        run_study(small_study(1), out=tmp_path / "r")
    assert _names(tmp_path) == set()


def test_an_executor_is_known_by_its_name_alone(
    small_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any class with the methods of the protocol runs a study's cells; the runner knows no host."""
    monkeypatch.setitem(EXECUTORS.entries, "elsewhere", f"{__name__}:_Elsewhere")
    run = run_study(small_study(2), out=tmp_path / "r", executor="elsewhere")
    assert [(result.status, result.context.executor) for result in run.results()] == [(Status.FAILED, "elsewhere")] * 2
    with pytest.raises(BenchError, match=r"unknown executor 'elsewher'; choose from .*local, inline"):
        run_study(small_study(2), out=tmp_path / "other", executor="elsewher")
    assert not (tmp_path / "other").exists()


class _Elsewhere:
    interactive = False

    def run(self, job: Job, *_: object, **__: object) -> CellResult:
        job.folder.mkdir(parents=True)
        failure = Failure(kind="nobody", notice=verbatim("nobody is there"))
        context = CellContext(executor="elsewhere")
        cell = job.cell
        return CellResult(id=cell.id, cell=cell, label=cell.label, status=Status.FAILED, error=failure, context=context)


def test_the_runner_imports_no_executor_and_messages_know_no_host() -> None:
    imports = [
        node.module
        for path in (ROOT / "bench" / "runner").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
    ]
    assert "bench.execution.executor" in imports
    assert not {"bench.execution.local", "bench.execution.inline"} & set(imports)
    of_a_host = {"parent", "started", "pid", "host"}
    assert not of_a_host & {*Job.model_fields, *Outcome.model_fields, *Progress.model_fields}


@pytest.mark.parametrize("name", ["file", "file/r", "x" * 300])
def test_a_run_folder_that_cannot_be(small_study: MakeStudy, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        run_study(small_study(1), out=tmp_path / name)


def test_a_run_folder_that_is_removed_meanwhile_hides_no_error(tmp_path: Path) -> None:
    def fail() -> None:
        with hold_folder(tmp_path / "r"):
            shutil.rmtree(tmp_path / "r")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_a_study_that_is_complete_takes_no_settings(small_study: MakeStudy) -> None:
    with pytest.raises(BenchError, match="this one is complete"):
        run_study(small_study(1), settings=["train.epochs=2"])


def test_a_run_without_a_cache_takes_the_download_and_leaves_the_users_folder_alone(
    small_study: MakeStudy, child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = tmp_path / "user"
    monkeypatch.setenv("PATCHBENCH_CACHE", str(user))
    (user / "downloads").mkdir(parents=True)
    rng, arrays = np.random.default_rng(0), {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = rng.integers(0, 256, (16, 28, 28, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(16, dtype=np.uint8) % 8)[:, None]
    np.savez(user / "downloads" / "bloodmnist_64.npz", allow_pickle=True, **arrays)
    child("write_outcome()")
    study = small_study(1, dataset={"source": "medmnist", "name": "bloodmnist", "image_size": 32})
    run = run_study(study, out=tmp_path / "run", cache=tmp_path / "once")
    assert [result.status for result in run.results()] == [Status.OK]
    assert (run.path / "thumbnails.parquet").is_file()
    assert [path.name for path in user.iterdir()] == ["downloads"]
