"""Settings of a data set that say how to read it, and are no cause of a result."""

from __future__ import annotations

import pytest

from bench.study.dataset import DatasetSpec
from bench.study.load import load_study
from bench.study.overrides import split_setting

IDS = ["dfcfd6eb46b8", "23decc9f8e31", "a2a388ddd113", "2fa604b9c24d"]


def test_ids_of_cells_that_do_not_set_them_are_what_they_were() -> None:
    cells = load_study("quickstart").cells("f" * 64, "5" * 64, {})
    assert [cell.id for cell in cells] == IDS


def test_ids_know_the_images_and_labels_and_not_how_they_were_found() -> None:
    plain = load_study("quickstart", settings=["dataset.source=folder"])
    told = load_study("quickstart", settings=["dataset.source=folder", "dataset.layout={class}/*"])
    assert [cell.id for cell in told.cells("f", "5", {})] == [cell.id for cell in plain.cells("f", "5", {})]
    assert told.dataset.layout == "{class}/*"


@pytest.mark.parametrize("typed", ["{split}/{class}/*", "*/{class}/*", "{class}/**", "'{class}/*'", '"{class}/*"'])
def test_a_pattern_is_typed_as_it_is(typed: str) -> None:
    key, value, _ = split_setting(f"dataset.layout={typed}")
    assert (key, value) == (["dataset", "layout"], typed.strip("'\""))


def test_fields_that_are_not_set_are_none() -> None:
    assert (DatasetSpec().layout, DatasetSpec().zip_encoding) == (None, None)
