"""What a run would do, found out without a trace."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import RunError
from bench.runner.dry_run import DryRun, dry_run
from bench.runner.study import run_study
from bench.study.schema import Study

MakeStudy = Callable[..., Study]
Child = Callable[[str], None]


@pytest.fixture
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "user"
    monkeypatch.setenv("PATCHBENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def study(small_study: MakeStudy, tmp_path: Path) -> Study:
    """Three cells on images that lie in a folder."""
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return small_study(dataset={"source": "folder", "path": str(tmp_path / "images"), "image_size": 32})


def _content(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def _due(found: DryRun) -> list[int]:
    return [cell.seed for cell in found.prepared.cells if cell.id in found.due.cells]


def test_nothing_is_written_and_the_ids_are_those_of_the_run(
    study: Study, child: Child, user_cache: Path, tmp_path: Path
) -> None:
    found = dry_run(study, out=tmp_path / "runs" / "r")
    assert _due(found) == [0, 1, 2]
    assert found.ids_are_final
    assert not user_cache.exists()
    assert not (tmp_path / "runs").exists()
    child("write_outcome()")
    run = run_study(study, out=tmp_path / "runs" / "r")
    assert [cell.id for cell in run.plan()] == [cell.id for cell in found.prepared.cells]


def test_finished_cells_are_done_and_retry_makes_failed_ones_due(
    study: Study, child: Child, user_cache: Path, tmp_path: Path
) -> None:
    child("write_outcome() if seed != 1 else sys.exit('no')")
    run_study(study, out=tmp_path / "r")
    before, cached = _content(tmp_path / "r"), _content(user_cache)
    assert _due(dry_run(study, out=tmp_path / "r")) == []
    found = dry_run(study, out=tmp_path / "r", retry="failed")
    assert _due(found) == [1]
    assert sorted(result.status.value for result in found.results.values()) == ["failed", "ok", "ok"]
    more = study.model_copy(update={"seeds": (0, 1, 2, 3)})
    assert _due(dry_run(more, out=tmp_path / "r")) == [3]
    assert (_content(tmp_path / "r"), _content(user_cache)) == (before, cached)


def test_what_an_audit_has_found_is_read_from_the_cache(
    study: Study, child: Child, user_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child("write_outcome()")
    run_study(study, out=tmp_path / "r")

    def decode(*_: object, **__: object) -> None:
        raise AssertionError("images are decoded again")

    monkeypatch.setattr("bench.data.prepare.examine", decode)
    assert _due(dry_run(study, out=tmp_path / "other")) == [0, 1, 2]
    assert user_cache.is_dir()


def test_the_folder_of_another_study_is_refused(study: Study, child: Child, user_cache: Path, tmp_path: Path) -> None:
    child("write_outcome()")
    run_study(study, out=tmp_path / "r")
    with pytest.raises(RunError, match="belongs to another study"):
        dry_run(study.model_copy(update={"name": "other"}), out=tmp_path / "r")
    assert user_cache.is_dir()


@pytest.mark.parametrize("name", ["file", "x" * 300])
def test_a_folder_that_cannot_be_one_is_one_message(study: Study, user_cache: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be read: .*--out"):
        dry_run(study, out=tmp_path / name)
    assert not user_cache.exists()


def test_a_batch_size_that_a_run_has_found_is_that_of_its_cells(
    study: Study, child: Child, user_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = study.model_copy(update={"train": study.train.model_copy(update={"batch_size": "auto"})})
    assert not dry_run(auto, out=tmp_path / "r").ids_are_final
    child("write_outcome()")
    searched: list[int] = []

    def search(*_: object, **__: object) -> object:
        from bench.training.optim.batch_size import BatchSizeResult

        searched.append(1)
        return BatchSizeResult(4, {"resnet18": 4})

    monkeypatch.setattr("bench.runner.preparation.find_batch_size", search)
    run_study(auto, out=tmp_path / "r")
    found = dry_run(auto, out=tmp_path / "r")
    assert found.ids_are_final
    assert _due(found) == []
    assert searched == [1]
    assert user_cache.is_dir()
