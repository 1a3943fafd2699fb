from __future__ import annotations

from typing import Any

import pytest

from bench.errors import StudyError
from bench.study.schema import Cell, Study


def _study(**changes: Any) -> Study:
    return Study.model_validate({"name": "s", "models": ["resnet18"], **changes})


def _cells(study: Study, fingerprint: str = "f", weights: dict[str, str] | None = None) -> list[Cell]:
    return study.cells(fingerprint, "split", weights or {})


def test_the_grid_is_the_product_of_its_axes() -> None:
    study = _study(
        models=["resnet18", "vgg11"], regimes=["scratch", "frozen"], devices=["cpu", "cuda"], seeds=[0, 1, 2]
    )
    cells = _cells(study)
    assert len(cells) == 2 * 2 * 2 * 3
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    "change",
    [
        {"train": {"epochs": 3}},
        {"train": {"lr": 0.5}},
        {"seeds": [1]},
        {"dataset": {"image_size": 64}},
        {"dataset": {"resize": "crop"}},
        {"precisions": ["bf16"]},
        {"models": [{"name": "resnet18", "weights": "none"}]},
    ],
)
def test_what_determines_the_result_changes_the_id(change: dict[str, Any]) -> None:
    assert _cells(_study(**change))[0].id != _cells(_study())[0].id


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"budget": {"time_limit": "1h"}},
        {"prices": {"cpu": 1.0}},
        {"models": [{"name": "resnet18", "label": "mine"}]},
    ],
)
def test_what_does_not_leaves_it(change: dict[str, Any]) -> None:
    assert _cells(_study(**change))[0].id == _cells(_study())[0].id


def test_data_and_weights_count_by_their_content() -> None:
    assert _cells(_study(), "f")[0].id != _cells(_study(), "g")[0].id
    here = _study(models=[{"name": "resnet18", "weights": "/a/w.pth"}])
    there = _study(models=[{"name": "resnet18", "weights": "/b/w.pth"}])
    same = [_cells(s, weights={"/a/w.pth": "1", "/b/w.pth": "1"})[0].id for s in (here, there)]
    other = _cells(here, weights={"/a/w.pth": "2"})[0].id
    assert same[0] == same[1] != other


def test_scratch_knows_no_weights() -> None:
    study = _study(models=[{"name": "resnet18", "weights": "/a/w.pth"}], regimes=["scratch"])
    assert _cells(study, weights={"/a/w.pth": "1"})[0].model.weights == "none"


def test_one_cell_under_two_labels_is_refused() -> None:
    study = _study(models=["resnet18", {"name": "resnet18", "label": "again"}])
    with pytest.raises(StudyError, match="the same cell"):
        _cells(study)


def test_views_need_augmentation() -> None:
    with pytest.raises(ValueError, match="views"):
        _study(train={"views": 3})
