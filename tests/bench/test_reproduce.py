"""A stored run made again from what it stored, and whether it agrees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bench.errors import RunError
from bench.reproduce import reproduce
from bench.results import load_results
from bench.run import run_study
from bench.study import Study
from reports.reproduced import agreement

MakeStudy = Callable[..., Study]
Child = Callable[[str], None]


def _verdicts(first: Path, second: Path) -> list[str]:
    return [cell.verdict for cell in agreement(first, second).cells]


def test_the_same_study_again_is_identical(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("leave()")
    first = run_study(small_study(2), out=tmp_path / "first")
    before = {p: p.read_bytes() for p in first.path.rglob("*") if p.is_file()}
    again = reproduce(first.path)
    assert again.path == tmp_path / "first-reproduced"
    assert _verdicts(first.path, again.path) == ["identical"] * 2
    assert agreement(first.path, again.path).agrees
    assert {p: p.read_bytes() for p in first.path.rglob("*") if p.is_file()} == before, "the first is only read"


def test_other_scores_differ_or_lie_within_the_interval(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("leave(metrics={'accuracy': 0.5}, confusion=[[3, 3], [3, 3]])")
    first = run_study(small_study(2), out=tmp_path / "first")
    child("leave(metrics={'accuracy': 0.58 if seed else 0.0}, confusion=[[3, 3], [2, 4]])")
    again = reproduce(first.path, out=tmp_path / "again")
    for cell in again.path.glob("cells/*"):
        (cell / "predictions.parquet").unlink()  # equal where the child is a script: the matrix has to do
    assert sorted(_verdicts(first.path, again.path)) == ["differs", "within the interval"]
    found = agreement(first.path, again.path)
    assert not found.agrees
    assert list(found.lines())[-1] == ("title", "1 of 2 cells agree with the first run.")


def test_a_cell_that_fails_now_differs(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("leave()")
    first = run_study(small_study(1), out=tmp_path / "first")
    child("sys.exit(3)")
    again = reproduce(first.path)
    assert _verdicts(first.path, again.path) == ["differs"]


def test_what_cannot_be_made_again_is_told(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        reproduce(tmp_path)
    child("leave()")
    run = run_study(small_study(1), out=tmp_path / "first")
    with pytest.raises(RunError, match="is the run itself"):
        reproduce(run.path, out=run.path)
    dataset = json.loads((run.path / "dataset.json").read_text())
    (run.path / "dataset.json").write_text(json.dumps(dataset | {"fingerprint": "0" * 64}))
    with pytest.raises(RunError, match=r"not what .* was made from: its fingerprint"):
        reproduce(run.path)
    stored = yaml.safe_load((run.path / "study.yaml").read_text())
    (run.path / "study.yaml").write_text(yaml.safe_dump(stored | {"of_tomorrow": 1}))
    with pytest.raises(RunError, match=r"no study that this version can run \(of_tomorrow"):
        reproduce(run.path)
    assert load_results(run.path).results()


def test_nothing_to_compare_is_no_agreement(small_study: MakeStudy, child: Child, tmp_path: Path) -> None:
    child("sys.exit(3)")
    first = run_study(small_study(2), out=tmp_path / "first")
    found = agreement(first.path, reproduce(first.path).path)
    assert {cell.verdict for cell in found.cells} == {"no scores to compare"}
    assert not found.agrees
    assert list(found.lines())[-1][1] == "0 of 2 cells agree with the first run; 2 had no scores to compare."
