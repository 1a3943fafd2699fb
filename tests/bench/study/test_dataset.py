from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.data.sources import SOURCES
from bench.errors import DependencyError
from bench.study.dataset import DatasetSpec, SplitSpec


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "synthetic"),
        ({"path": "a"}, "folder"),
        ({"path": "a.ZIP"}, "zip"),
        ({"path": "a.csv"}, "csv"),
        ({"path": "a.npz"}, "medmnist"),
        ({"name": "bloodmnist"}, "medmnist"),
        ({"path": "a.zip", "source": "pbc"}, "pbc"),
    ],
)
def test_the_kind_is_guessed(given: dict[str, Any], kind: str) -> None:
    assert DatasetSpec(**given).kind == kind


def test_a_broken_source_of_a_package_hinders_only_those_who_may_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("broken", "absent_package_of_the_tests:SOURCE", "patchbench.sources")
    monkeypatch.setattr(SOURCES, "_installed", {"broken": point})
    assert DatasetSpec(path=Path("a.zip")).kind == "zip"
    assert DatasetSpec(path=Path("images")).kind == "folder"
    with pytest.raises(DependencyError, match="absent_package_of_the_tests"):
        DatasetSpec(path=Path("images.xyz"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"imagesize": 3}, "imagesize"),
        ({"source": "tar"}, "source"),
        ({"source": "pbc", "classes": 9}, "8 classes .* or 13"),
        ({"classes": 9}, "8 synthetic kinds"),
        ({"source": "synthetic", "path": "x"}, "generated, not read"),
        ({"source": "huggingface"}, "found by its name"),
        ({"image_size": 4}, "image_size"),
        ({"limit": 0}, "limit"),
        ({"difficulty": 1.5}, "difficulty"),
        ({"path": "x", "labels": ["a", "b"]}, "only a csv"),
        ({"duplicates": {"exact": "maybe"}}, "keep_one"),
    ],
)
def test_wrong_data_sets_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DatasetSpec(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"test": 0.6, "validation": 0.4}, "nothing to train on"),
        ({"test": 0}, "test"),
        ({"method": "file"}, "needs the path"),
        ({"method": "kfold"}, "number of folds"),
        ({"folds": 3, "fold": 3}, "numbered 0 to 2"),
        ({"method": "stratified", "folds": 3}, "only method 'kfold'"),
        ({"method": "grouped"}, "needs group"),
        ({"group": "("}, "is not a regular expression"),
        ({"group": "a", "group_column": "b"}, "not both"),
        ({"method": "stratified", "group": "a"}, "does not use groups"),
    ],
)
def test_wrong_splits_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SplitSpec(**given)


def test_the_method_follows_from_what_is_given() -> None:
    assert SplitSpec().wanted == "auto"
    assert SplitSpec(file=Path("x.csv")).wanted == "file"
    assert SplitSpec(folds=3).wanted == "kfold"
    assert SplitSpec(group="a").wanted == "grouped"
    assert SplitSpec(folds=3, group="a").wanted == "kfold"


def test_specs_survive_json() -> None:
    spec = DatasetSpec(source="pbc", path=Path("a.zip"), limit=5)
    assert DatasetSpec.model_validate_json(spec.model_dump_json()) == spec


def test_describing_data_imports_nothing_heavy() -> None:
    code = (
        "import sys, bench.study.dataset; print([m for m in ('torch', 'numpy', 'pandas', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_preparing_data_imports_no_torch() -> None:
    code = (
        "import sys, bench.data.prepare, bench.data.audit.findings, bench.data.download, bench.data.pixels.thumbnails;"
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
