from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.split.assign import shares, split, split_hash
from bench.data.split.csv_file import read_split
from bench.data.split.subset import subset
from bench.errors import DataError
from bench.results.dataset import Split
from bench.study.dataset import SplitSpec

COUNTS = st.lists(st.integers(3, 60), min_size=2, max_size=6)


def _labels(counts: list[int]) -> list[str]:
    return [f"c{index}" for index, count in enumerate(counts) for _ in range(count)]


@given(COUNTS, st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 9))
def test_every_class_is_in_every_split_in_its_proportion(counts: list[int], test: float, val: float, seed: int) -> None:
    labels = _labels(counts)
    names = [str(index) for index in range(len(labels))]
    spec = SplitSpec(test=test, validation=val, seed=seed)
    found = split(names, labels, range(len(labels)), spec, "stratified")
    assert found == split(names, labels, range(len(labels)), spec, "stratified")
    held = Counter(zip(labels, found, strict=True))
    for index, count in enumerate(counts):
        wanted: list[tuple[Split, float]] = [("test", test), ("validation", val)]
        for side, fraction in wanted:
            assert held[f"c{index}", side] >= 1
            assert abs(held[f"c{index}", side] - count * fraction) <= 1.01 or count < 6
        assert held[f"c{index}", "train"] >= 1


def test_the_papers_split_has_its_size() -> None:
    counts = [1218, 3117, 1551, 2895, 1214, 1420, 3329, 2348]
    labels = _labels(counts)
    found = split(labels, labels, range(len(labels)), SplitSpec(), "stratified")
    assert Counter(found)["test"] == round(0.2 * 17092)
    assert Counter(found)["validation"] == round(0.1 * 17092)


def test_another_seed_is_another_split() -> None:
    labels = _labels([50, 50])
    one, two = (split(labels, labels, range(100), SplitSpec(seed=seed), "stratified") for seed in (0, 1))
    assert one != two


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.floats(0.01, 0.45), st.floats(0.01, 0.45))
def test_shares_never_take_everything(counts: list[int], test: float, val: float) -> None:
    for row, count in zip(shares(counts, [test, val]), counts, strict=True):
        assert min(row) >= 0
        assert sum(row) < count or count == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 5), st.sampled_from(["grouped", "kfold", "stratified"]))
def test_units_are_never_divided(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    units = rng.integers(0, 60, 400).tolist()
    labels = [f"c{unit % 3}" for unit in units]
    spec = SplitSpec(seed=seed, folds=4 if method == "kfold" else None, group="x" if method == "grouped" else None)
    found = split([str(i) for i in range(400)], labels, units, spec, method)  # type: ignore[arg-type]
    where: dict[int, set[str]] = {}
    for unit, part in zip(units, found, strict=True):
        where.setdefault(unit, set()).add(part)
    assert all(len(one) == 1 for one in where.values())
    assert 0.1 < found.count("test") / 400 < 0.35
    assert found.count("validation") > 10


def test_folds_cover_everything_once() -> None:
    labels = _labels([30, 20, 17])
    tested: Counter[int] = Counter()
    for fold in range(5):
        found = split(labels, labels, range(67), SplitSpec(folds=5, fold=fold), "kfold")
        tested.update(row for row, part in enumerate(found) if part == "test")
    assert tested == dict.fromkeys(range(67), 1)


def test_three_images_a_class_are_enough_for_three_folds() -> None:
    labels = _labels([3, 3, 3])
    for fold in range(3):
        assert Counter(split(labels, labels, range(9), SplitSpec(folds=3, fold=fold), "kfold")).total() == 9


@pytest.mark.parametrize(
    ("labels", "units", "message"),
    [
        ([], [], "no images"),
        (["a"] * 9, range(9), "only the class 'a'"),
        (["a"] * 9 + ["b"] * 2, range(11), "'b' has 2"),
        (["a"] * 9 + ["b"] * 6, [*range(9), 10, 10, 10, 10, 11, 11], "'b' has 2"),
    ],
)
def test_too_few_images_are_reported_before_any_training(labels: list[str], units: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split([str(i) for i in range(len(labels))], labels, units, SplitSpec(), "stratified")


@given(st.integers(0, 50), st.integers(4, 8), st.integers(2, 4))
@settings(deadline=None, max_examples=30)
def test_a_few_groups_a_class_are_enough(seed: int, groups: int, classes: int) -> None:
    """Ten patients with two images each: a tenth of the images is one patient, who has one class only."""
    units = [unit for unit in range(groups * classes) for _ in range(2)]
    labels = [f"c{unit % classes}" for unit in units]
    found = split([str(i) for i in range(len(units))], labels, units, SplitSpec(seed=seed, group="x"), "grouped")
    assert len({(unit, part) for unit, part in zip(units, found, strict=True)}) == groups * classes


def test_groups_that_are_too_few_are_reported() -> None:
    labels = ["a", "b"] * 20
    with pytest.raises(DataError, match="'a' has 2"):
        split(labels, labels, [i // 20 for i in range(40)], SplitSpec(group="x"), "grouped")
    with pytest.raises(DataError, match="4 groups for 10 parts"):
        split(labels, labels, [i // 10 for i in range(40)], SplitSpec(folds=10), "kfold")


def test_the_hash_distinguishes_splits_and_not_the_order() -> None:
    assert split_hash(["a", "b"], ["train", "test"]) == split_hash(["b", "a"], ["test", "train"])
    assert split_hash(["a", "b"], ["train", "test"]) != split_hash(["a", "b"], ["test", "train"])


def test_a_given_split_without_validation_takes_it_from_train() -> None:
    labels = _labels([40, 40])
    names = [str(i) for i in range(80)]
    given_splits = {name: ("test" if int(name) % 4 == 0 else "train") for name in names}
    found = split(names, labels, range(80), SplitSpec(), "official", given_splits)  # type: ignore[arg-type]
    assert found.count("validation") == 8
    assert [s == "test" for s in found] == [given_splits[name] == "test" for name in names]


def test_a_class_that_a_given_split_leaves_out_is_reported() -> None:
    names = [str(i) for i in range(8)]
    labels = ["a"] * 4 + ["b"] * 4
    given = dict(zip(names, ["train", "validation", "test", "test", "train", "train", "train", "train"], strict=True))
    with pytest.raises(DataError, match="'b' without images for validation"):
        split(names, labels, range(8), SplitSpec(), "file", given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,side\na,train\n", "columns name and split"),
        ("name,split\na,tests\n", "line 2: 'tests'"),
        ("name,split\na,test\na,train\n", "line 3.*twice"),
        ("", "columns name and split"),
    ],
)
def test_faults_of_a_split_file_are_reported(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_split(path)
    with pytest.raises(DataError, match="no such split file"):
        read_split(tmp_path / "none.csv")


@given(COUNTS, st.integers(20, 120), st.sampled_from(["balanced", "proportional"]), st.integers(0, 5))
def test_a_subset_has_its_size_and_balance(counts: list[int], limit: int, by: str, seed: int) -> None:
    labels = _labels(counts)
    rows = subset(labels, [None] * len(labels), limit, by, seed)
    assert len(rows) == min(limit, len(labels))
    assert rows == sorted(set(rows))
    held = Counter(labels[row] for row in rows)
    assert all(held[f"c{i}"] >= 3 for i in range(len(counts)))
    if by == "balanced":
        full = max(held.values())
        assert all(held[f"c{i}"] in (count, full, full - 1) for i, count in enumerate(counts))


def test_a_limit_that_is_too_small_is_reported() -> None:
    with pytest.raises(DataError, match=r"limit 5 is too small for 2 classes.*6 or more"):
        subset(_labels([10, 10]), [None] * 20, 5, "balanced", 0)
