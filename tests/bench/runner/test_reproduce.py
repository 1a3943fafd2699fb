"""A stored run made again from what it stored, and whether it agrees."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from bench.data.prepare import prepare
from bench.errors import BenchError, RunError
from bench.results.run import Run
from bench.runner import preparation
from bench.runner.reproduce import reproduce
from bench.runner.study import run_study
from bench.study.schema import Study
from reports.comparison.reproducibility import agreement
from tests.reports.run_folder import store_predicted

MakeStudy = Callable[..., Study]
Child = Callable[[str], None]


def _forget_predictions(run: Path) -> None:
    for cell in run.glob("cells/*"):
        (cell / "predictions.parquet").unlink()


def _verdicts(first: Path, second: Path) -> list[str]:
    return [cell.verdict for cell in agreement(first, second).cells]


def test_the_same_study_again_is_identical(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")
    first = run_study(small_study(2), out=tmp_path / "first")
    before = {p: p.read_bytes() for p in first.path.rglob("*") if p.is_file()}
    again = reproduce(first.path)
    assert again.path == tmp_path / "first-reproduced"
    assert _verdicts(first.path, again.path) == ["identical"] * 2
    assert agreement(first.path, again.path).agrees
    assert {p: p.read_bytes() for p in first.path.rglob("*") if p.is_file()} == before, "the first is only read"


def test_the_data_is_prepared_once(
    small_study: MakeStudy, child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child("write_outcome()")
    first = run_study(small_study(1), out=tmp_path / "first")
    calls = []

    def count(*arguments: Any, **keys: Any) -> object:
        calls.append(1)
        return prepare(*arguments, **keys)

    monkeypatch.setattr(preparation, "prepare", count)
    reproduce(first.path)
    assert len(calls) == 1


def test_other_data_is_refused_and_leaves_no_folder(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")
    run = run_study(small_study(1), out=tmp_path / "first")
    dataset = json.loads((run.path / "dataset.json").read_text())
    (run.path / "dataset.json").write_text(json.dumps(dataset | {"fingerprint": "0" * 64}))
    with pytest.raises(RunError, match="its fingerprint"):
        reproduce(run.path)
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_other_scores_differ_or_lie_within_the_interval(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome(metrics={'accuracy': 0.5}, confusion=[[3, 3], [3, 3]])")
    first = run_study(small_study(2), out=tmp_path / "first")
    _forget_predictions(first.path)  # equal where the child is a script: the matrix has to do
    child("write_outcome(metrics={'accuracy': 7 / 12 if seed else 0.0}, confusion=[[3, 3], [2, 4]] if seed else "
          "[[0, 6], [6, 0]])")  # fmt: skip
    again = reproduce(first.path, out=tmp_path / "again")
    _forget_predictions(again.path)
    assert sorted(_verdicts(first.path, again.path)) == ["differs", "within the interval"]
    found = agreement(first.path, again.path)
    assert not found.agrees
    assert list(found.lines())[-1] == ("title", "1 of 2 cells agree with the first run.")


def test_a_cell_that_fails_now_differs(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")
    first = run_study(small_study(1), out=tmp_path / "first")
    child("sys.exit(3)")
    again = reproduce(first.path)
    assert _verdicts(first.path, again.path) == ["differs"]


def test_what_cannot_be_made_again_is_reported(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        reproduce(tmp_path)
    child("write_outcome()")
    run = run_study(small_study(1), out=tmp_path / "first")
    with pytest.raises(RunError, match="is the run itself"):
        reproduce(run.path, out=run.path)
    dataset = json.loads((run.path / "dataset.json").read_text())
    (run.path / "dataset.json").write_text(json.dumps(dataset | {"fingerprint": "0" * 64}))
    with pytest.raises(RunError, match=r"not what .* was made from: its fingerprint"):
        reproduce(run.path)
    stored = yaml.safe_load((run.path / "study.yaml").read_text())
    (run.path / "study.yaml").write_text(yaml.safe_dump(stored | {"of_tomorrow": 1}))
    with pytest.raises(RunError, match=r"cannot be run as it is stored: .*of_tomorrow"):
        reproduce(run.path)
    assert Run(run.path).results()


def test_nothing_to_compare_is_no_agreement(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("sys.exit(3)")
    first = run_study(small_study(2), out=tmp_path / "first")
    found = agreement(first.path, reproduce(first.path).path)
    assert {cell.verdict for cell in found.cells} == {"no scores to compare"}
    assert not found.agrees
    assert list(found.lines())[-1][1] == "0 of 2 cells agree with the first run; 2 had no scores to compare."


def _made_twice(make: MakeStudy, child: Child, folder: Path, now: str, count: int = 60) -> tuple[Path, Path]:
    child("write_outcome()")
    dataset = {"source": "synthetic", "count": count, "image_size": 32, "classes": 2}
    first = run_study(make(1, dataset=dataset), out=folder / "first")
    child(now)
    return first.path, reproduce(first.path, out=folder / "again").path


@pytest.mark.parametrize(("changed", "verdict"), [(0, "identical"), (6, "within the interval"), (60, "differs")])
def test_scores_are_compared_on_the_same_test_images(
    small_study: MakeStudy, child: Child, tmp_path: Path, changed: int, verdict: str
) -> None:
    """Of the changed images half go from right to wrong; the others did so before. 60 go all one way."""
    first, again = _made_twice(small_study, child, tmp_path, "write_outcome()", count=400)
    labels = Run(first).test_images.labels
    then, now = labels.copy(), labels.copy()
    now[:changed] = 1 - now[:changed]
    if changed == 6:
        now[:3], then[:3] = labels[:3], 1 - labels[:3]
    for run, predicted in ((first, then), (again, now)):
        store_predicted(run, next(run.glob("cells/*")).name, predicted)
    assert _verdicts(first, again) == [verdict]
    reported = next(iter(agreement(first, again).lines()))[1]
    assert ("Kappa" in reported) == (changed > 0)


def test_a_moved_data_set_may_be_given_as_a_zip(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    child("write_outcome()")
    study = small_study(1).model_dump(mode="json")
    study["dataset"] = {"source": "folder", "path": str(folder), "image_size": 32}
    first = run_study(Study.model_validate(study), out=tmp_path / "first")
    archive = shutil.make_archive(str(tmp_path / "images"), "zip", folder)
    shutil.rmtree(folder)
    again = reproduce(first.path, data=Path(archive))
    assert _verdicts(first.path, again.path) == ["identical"]


def test_only_the_places_of_files_can_be_set(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")
    run = run_study(small_study(1), out=tmp_path / "first")
    with pytest.raises(RunError, match=r"train\.epochs=9: .*only the places of files"):
        reproduce(run.path, settings=["train.epochs=9"])


def test_runs_of_other_data_are_refused_in_words_of_a_comparison(
    small_study: MakeStudy, child: Child, tmp_path: Path
) -> None:
    first, again = _made_twice(small_study, child, tmp_path, "write_outcome()")
    dataset = json.loads((again / "dataset.json").read_text())
    (again / "dataset.json").write_text(json.dumps(dataset | {"fingerprint": "0" * 64}))
    with pytest.raises(RunError, match=r"cannot be compared: their data fingerprint differ"):
        agreement(first, again)


def test_moved_weights_are_named_and_have_to_be_the_same(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")
    weights = tmp_path / "then.safetensors"
    weights.write_bytes(b"weights")
    run = run_study(
        small_study(1, regimes=["frozen"], models=[{"name": "resnet18", "weights": str(weights)}]),
        out=tmp_path / "first",
    )
    moved = weights.rename(tmp_path / "now.safetensors")
    with pytest.raises(BenchError, match=r"then\.safetensors"):
        reproduce(run.path)
    again = reproduce(run.path, settings=[f"models.resnet18.weights={moved}"])
    assert _verdicts(run.path, again.path) == ["identical"]
    moved.write_bytes(b"others")
    with pytest.raises(RunError, match=r"the weights of resnet18 are not what .* Give the same file with --set"):
        reproduce(run.path, settings=[f"models.resnet18.weights={moved}"], out=tmp_path / "third")


@pytest.mark.parametrize("regimes", [["scratch", "finetune"], ["finetune", "scratch"]])
def test_weights_are_compared_cell_by_cell(
    small_study: MakeStudy, child: Child, tmp_path: Path, regimes: list[str]
) -> None:
    """A cell from scratch has no file, whatever stands in the study."""
    child("write_outcome()")
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"weights")
    study = small_study(1, regimes=regimes, models=[{"name": "resnet18", "weights": str(weights)}])
    run = run_study(study, out=tmp_path / "first")
    assert _verdicts(run.path, reproduce(run.path).path) == ["identical"] * 2
    weights.write_bytes(b"others")
    with pytest.raises(RunError, match=r"the weights of resnet18 are not what .* Give the same file"):
        reproduce(run.path, out=tmp_path / "third")


def test_weights_where_there_were_none_are_refused(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("write_outcome()")
    run = run_study(small_study(1, regimes=["finetune"]), out=tmp_path / "first")
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"weights")
    for other in (str(weights), "hub:someone/something"):
        with pytest.raises(RunError, match=r"started from 'none'\. Leave --set models\.resnet18\.weights out"):
            reproduce(run.path, settings=[f"models.resnet18.weights={other}"])
