"""Divide images into train, validation and test, so that no group of images is ever divided."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.split.scarce import Causes
from bench.errors import DataError
from bench.results.dataset import Split
from bench.study.dataset import SplitMethod, SplitSpec

__all__ = ["SPLITS", "shares", "split", "split_hash"]

SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")

Rows = NDArray[np.int64]

_MOSTLY_SINGLE = 0.8  # of the images belong to no group: then classes can be dealt out exactly


def split(
    names: Sequence[str],
    labels: Sequence[str],
    units: Sequence[int],
    spec: SplitSpec,
    method: SplitMethod,
    given: Mapping[str, Split] | None = None,
    causes: Causes | None = None,
) -> list[Split]:
    """Return the split of every image.

    Args:
        names: the images.
        labels: their labels.
        units: images with the same number stay together (duplicates, or the groups of the user).
        spec: fractions, folds and seed.
        method: one of the methods, not ``auto``.
        given: the splits for the methods ``file`` and ``official``. Where they know no validation, it is taken
            from the training images.
        causes: what made images fewer before, for messages.

    Raises:
        DataError: there are too few images or groups, or a class is missing in a split.
    """
    causes = causes or Causes()
    if method in ("file", "official"):
        splits = _given_splits(names, given or {}, method)
        if "validation" not in splits:
            splits = _with_validation(labels, units, splits, spec)
    else:
        _check_enough(labels, units, causes)
        if method == "grouped":
            splits = _grouped(labels, units, spec)
        elif method == "kfold":
            splits = _folded(labels, units, spec)
        else:
            splits = _stratified(labels, units, spec)
    _check_splits(labels, splits, method, causes)
    return splits


def split_hash(names: Sequence[str], splits: Sequence[Split]) -> str:
    """Return the SHA-256 over names and splits, whatever their order."""
    digest = hashlib.sha256()
    for name, own in sorted(zip(names, splits, strict=True)):
        digest.update(f"{own}\0{name}\n".encode())
    return digest.hexdigest()


def _check_splits(labels: Sequence[str], splits: Sequence[Split], method: str, causes: Causes) -> None:
    """Raise a DataError where there are not two classes, or a class has no image in a split."""
    classes = sorted(set(labels))
    _check_two(classes)
    if method in ("file", "official"):
        _check_given(splits, method)
    held = set(zip(labels, splits, strict=True))
    for label in classes:
        for own in SPLITS:
            if (label, own) not in held:
                in_file = "Correct the split file. " if method == "file" else ""
                raise DataError(
                    f"The {method} split leaves the class {label!r}{causes.of(label, labels)} without images for "
                    f"{own}; every class needs some in each of train, validation and test. {in_file}"
                    f"{_ADVICE.get(method, '')}{causes.advice(labels, [label])}"
                )


def _check_given(splits: Sequence[Split], method: str) -> None:
    """Raise a DataError where a split that a file or the data set brings lacks a whole part."""
    missing = [own for own in ("train", "test") if own not in splits]
    if missing:
        brought = ", ".join(own for own in SPLITS if own in splits)
        source = "The split file names" if method == "file" else "The data set brings"
        raise DataError(
            f"{source} images for {brought}, and none for {' and '.join(missing)}. Add them, or divide all images "
            "anew into train, validation and test with split.method=stratified"
        )


_ADVICE = {
    "stratified": "Raise split.test and split.validation, ",
    "grouped": "Its groups are too few or too large: use other fractions or another split.seed, ",
    "kfold": "Use fewer folds (split.folds), another split.seed, ",
    "official": "Divide all images anew with split.method=stratified, ",
}
"""What to do first where a class is missing in a split."""


def shares(counts: Sequence[int], fractions: Sequence[float]) -> list[list[int]]:
    """Return how many of each class go to each fraction.

    Each gets its exact share rounded down, but at least 1; what is missing to the rounded fraction of the whole
    goes to those with the largest remainders. At least one of each class is left over.
    """
    table = [[max(1, int(count * fraction)) for fraction in fractions] for count in counts]
    for part, fraction in enumerate(fractions):
        missing = round(sum(counts) * fraction) - sum(row[part] for row in table)
        rounded_up = [int(count * fraction) < 1 for count in counts]
        order = sorted(
            (row for row in range(len(counts)) if not rounded_up[row]),
            key=lambda row: (int(counts[row] * fraction) - counts[row] * fraction, row),
        )
        for row in order[: max(0, missing)]:
            table[row][part] += 1
    for taken, count in zip(table, counts, strict=True):
        while sum(taken) >= count and max(taken) > 0:
            taken[taken.index(max(taken))] -= 1
    return table


def _members(labels: Sequence[str], units: Sequence[int]) -> tuple[dict[int, list[int]], dict[str, list[int]]]:
    """The rows of each unit, and the units of each class; a unit has the most common label of its images."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row, unit in enumerate(units):
        rows[unit].append(row)
    by_class: dict[str, list[int]] = defaultdict(list)
    for unit, inside in rows.items():
        by_class[_most_common(inside, labels)].append(unit)
    return rows, by_class


def _most_common(rows: Sequence[int], labels: Sequence[str]) -> str:
    counted = Counter(labels[row] for row in rows)
    return min(counted, key=lambda label: (-counted[label], label))


def _check_two(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        only = f"only the class {classes[0]!r}" if classes else "no images that can be used"
        raise DataError(
            f"The data set has {only}; a classifier needs two classes or more, each with images. Give the folder that "
            "holds the class folders, or name another level of folders as the class (dataset.layout, docs/data.md)"
        )


def _check_enough(labels: Sequence[str], units: Sequence[int], causes: Causes) -> None:
    classes = sorted(set(labels))
    _check_two(classes)
    held = Counter(label for label, _ in set(zip(labels, units, strict=True)))
    few = [label for label in classes if held[label] < len(SPLITS)]
    if few:
        named = [f"{label!r} has {held[label]}{causes.of(label, labels)}" for label in few[:8]]
        raise DataError(
            f"Too few images: every class needs at least {len(SPLITS)} that do not belong together (for train, "
            f"validation and test), but {', '.join(named)}; {causes.advice(labels, few)}"
        )


def _stratified(labels: Sequence[str], units: Sequence[int], spec: SplitSpec) -> list[Split]:
    rows, by_class = _members(labels, units)
    classes = sorted(by_class)
    rng = np.random.default_rng(spec.seed)
    splits: list[Split] = ["train"] * len(labels)
    table = shares([len(by_class[label]) for label in classes], [spec.test, spec.validation])
    for label, (test, validation) in zip(classes, table, strict=True):
        members = by_class[label]
        for place, which in enumerate(rng.permutation(len(members))):
            own: Split = "test" if place < test else "validation" if place < test + validation else "train"
            for row in rows[members[which]]:
                splits[row] = own
    return splits


def _with_validation(labels: Sequence[str], units: Sequence[int], splits: list[Split], spec: SplitSpec) -> list[Split]:
    train = [row for row, own in enumerate(splits) if own == "train"]
    fraction = min(0.5, spec.validation * len(splits) / max(1, len(train)))
    rows, by_class = _members([labels[row] for row in train], [units[row] for row in train])
    rng = np.random.default_rng(spec.seed)
    classes = sorted(by_class)
    for label, (count,) in zip(classes, shares([len(by_class[label]) for label in classes], [fraction]), strict=True):
        for which in rng.permutation(len(by_class[label]))[:count]:
            for row in rows[by_class[label][which]]:
                splits[train[row]] = "validation"
    return splits


def _grouped(labels: Sequence[str], units: Sequence[int], spec: SplitSpec) -> list[Split]:
    everything = np.arange(len(labels))
    test = _take(labels, units, everything, spec.test, spec.seed)
    rest = np.setdiff1d(everything, test)
    return _splits(len(labels), test, _take(labels, units, rest, spec.validation / (1 - spec.test), spec.seed))


def _folded(labels: Sequence[str], units: Sequence[int], spec: SplitSpec) -> list[Split]:
    folds = spec.folds or 2
    everything = np.arange(len(labels))
    test = _fold(labels, units, everything, folds, spec.fold, spec.seed)
    if len(set(units)) > _MOSTLY_SINGLE * len(units):
        return _with_validation(labels, units, _splits(len(labels), test, test[:0]), spec)
    rest = np.setdiff1d(everything, test)
    fraction = min(0.5, spec.validation / (1 - 1 / folds))
    return _splits(len(labels), test, _take(labels, units, rest, fraction, spec.seed))


def _take(labels: Sequence[str], units: Sequence[int], rows: Rows, fraction: float, seed: int) -> Rows:
    """Take about ``fraction`` of ``rows`` in whole units, keeping the proportions of the classes.

    More is taken where a part so small cannot hold every class.
    """
    classes = Counter(labels[row] for row in rows)
    most = min(len({units[row] for row in rows}), max(classes.values()))
    folds = min(most, max(2, round(1 / min(fraction, 1 - fraction))))
    first = part = _fold(labels, units, rows, folds, 0, seed)
    while {labels[row] for row in part} != set(classes) and folds > 2:
        folds -= 1
        part = _fold(labels, units, rows, folds, 0, seed)
    if {labels[row] for row in part} != set(classes):
        part = first
    return part if fraction <= 0.5 else np.setdiff1d(rows, part)


def _fold(labels: Sequence[str], units: Sequence[int], rows: Rows, folds: int, fold: int, seed: int) -> Rows:
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [units[row] for row in rows]
    if folds < 2 or len(set(groups)) < folds:
        raise DataError(
            f"There are {len(set(groups))} groups for {folds} parts; a group is never divided, so there must be "
            "at least as many groups as parts: use a finer group or fewer folds"
        )
    parts = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class rarer than the folds: check_splits reports it better
        try:
            chosen = list(parts.split(rows, [labels[row] for row in rows], groups))[fold][1]
        except ValueError as error:
            raise DataError(
                f"The images cannot be divided into {folds} parts that hold every class ({str(error).rstrip('.')}). "
                "Use fewer folds or add images"
            ) from error
    return np.asarray(rows[chosen], dtype=np.int64)


def _splits(count: int, test: Rows, validation: Rows) -> list[Split]:
    splits: list[Split] = ["train"] * count
    for row in test:
        splits[int(row)] = "test"
    for row in validation:
        splits[int(row)] = "validation"
    return splits


def _given_splits(names: Sequence[str], given: Mapping[str, Split], method: str) -> list[Split]:
    missing = [name for name in names if name not in given]
    if missing:
        raise DataError(
            f"The {method} split does not name {len(missing):,} of {len(names):,} images, such as "
            f"{missing[0]!r}; every image needs a line with train, validation or test"
        )
    return [given[name] for name in names]
