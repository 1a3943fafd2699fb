"""Which images of a source are used: duplicates by policy, then the subset of ``limit``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from bench.errors import DataError
from bench.results.dataset import AuditFindings, Dropped, DuplicateGroup, Split
from bench.results.notice import Notice, list_names
from bench.study.dataset import DuplicatePolicy

__all__ = ["SHOWN", "drop_bad", "join", "subset", "units"]

# So many images that look alike are not copies: the images are nearly empty, and their hashes mean nothing.
_LARGEST_NEAR_GROUP = 50

SHOWN = 5
"""Images of a group that a notice names."""

_KEEP_FIRST: dict[Split | None, int] = {"test": 0, "validation": 1, "train": 2, None: 3}


def drop_bad(findings: AuditFindings, policy: DuplicatePolicy, splits: Mapping[str, Split | None]) -> list[Dropped]:
    """Return what has to be left out: unreadable images, contradictions, copies.

    Of copies the first by name stays; where the split is given, one in the test set goes first, so that the test
    set is not changed.
    """
    dropped = list(findings.unreadable)
    for group in findings.exact:
        if group.conflicting and policy.conflicting == "drop":
            notice = Notice.of("conflicting_pixels", names=_with_labels(group))
            dropped += [Dropped(name=name, notice=notice) for name in group.names]
        elif not group.conflicting and policy.exact == "keep_one":
            kept = min(group.names, key=lambda name: (_KEEP_FIRST[splits.get(name)], name))
            notice = Notice.of("duplicate_of", name=kept)
            dropped += [Dropped(name=name, notice=notice) for name in group.names if name != kept]
    return dropped


def _with_labels(group: DuplicateGroup) -> tuple[Notice, ...]:
    shown = group.examples(SHOWN)
    named = [Notice.of("image_labeled", name=name, label=label) for name, label in shown]
    return (*named, *list_names((), of=len(group.names) - len(shown)))


def units(
    names: Sequence[str], groups: Sequence[str | None], findings: AuditFindings, policy: DuplicatePolicy
) -> tuple[list[int], frozenset[int], list[Notice]]:
    """Return a number for every image, the same for images that must not be divided; which look alike; warnings.

    Args:
        names: the images in use.
        groups: the user's group of each, or None.
        findings: with the duplicates.
        policy: which of them belong together.
    """
    row = {name: index for index, name in enumerate(names)}
    pairs: list[tuple[int, int]] = []
    first: dict[str, int] = {}
    for index, group in enumerate(groups):
        if group is not None:
            pairs.append((first.setdefault(group, index), index))
    for found in findings.exact:
        keep = policy.conflicting == "keep" if found.conflicting else policy.exact == "same_side"
        inside = [row[name] for name in found.names if name in row]
        if keep:
            pairs += [(inside[0], other) for other in inside[1:]]
    near, warnings = _near_pairs(row, findings) if policy.near == "same_side" else ([], [])
    return join(len(names), pairs + near), frozenset(index for pair in near for index in pair), warnings


def _near_pairs(row: Mapping[str, int], findings: AuditFindings) -> tuple[list[tuple[int, int]], list[Notice]]:
    pairs = [(row[near.first], row[near.second]) for near in findings.near if near.first in row and near.second in row]
    if findings.near_pairs > len(findings.near):
        return [], [Notice.of("too_many_near_pairs", count=findings.near_pairs)]
    sizes: dict[int, int] = defaultdict(int)
    for root in join(len(row), pairs):
        sizes[root] += 1
    largest = max(sizes.values(), default=0)
    if largest > max(_LARGEST_NEAR_GROUP, len(row) // 20):
        return [], [Notice.of("near_chain_too_long", count=largest)]
    return pairs, []


def subset(labels: Sequence[str], splits: Sequence[Split | None], limit: int, by: str, seed: int) -> list[int]:
    """Return the rows, ascending, of a random subset of at most ``limit`` images.

    ``balanced`` takes the same number of every class as far as it has them, and fills up from the larger ones;
    ``proportional`` keeps the proportions. Splits that are given keep their proportions within a class.

    Raises:
        DataError: the limit is smaller than three images a class.
    """
    if limit >= len(labels):
        return list(range(len(labels)))
    rows: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows[label].append(row)
    classes = sorted(rows)
    if limit < 3 * len(classes):
        raise DataError(
            f"dataset.limit {limit} is too small for {len(classes)} classes: each needs at least 3 images (train, "
            f"validation and test); use {3 * len(classes)} or more"
        )
    have = [len(rows[label]) for label in classes]
    quota = _even(have, limit) if by == "balanced" else _proportional(have, limit, least=3)
    rng = np.random.default_rng([seed, 1])
    taken: list[int] = []
    for label, count in zip(classes, quota, strict=True):
        by_split: dict[str, list[int]] = defaultdict(list)
        for row in rows[label]:
            by_split[splits[row] or ""].append(row)
        keys = sorted(by_split)
        for key, part in zip(keys, _proportional([len(by_split[key]) for key in keys], count, least=1), strict=True):
            taken += [by_split[key][int(which)] for which in rng.permutation(len(by_split[key]))[:part]]
    return sorted(taken)


def _even(have: Sequence[int], total: int) -> list[int]:
    """Deal ``total`` out one by one to those that still have some."""
    quota = [0] * len(have)
    left = total
    while left:
        open_ = [index for index, count in enumerate(have) if quota[index] < count]
        if not open_:
            break
        each = max(1, left // len(open_))
        for index in open_:
            more = min(each, have[index] - quota[index], left)
            quota[index] += more
            left -= more
    return quota


def _proportional(have: Sequence[int], total: int, *, least: int) -> list[int]:
    """Largest remainder; each gets at least ``least`` where it has them."""
    whole = sum(have)
    exact = [count * total / whole for count in have]
    quota = [min(count, max(least, int(share))) for count, share in zip(have, exact, strict=True)]
    order = sorted(range(len(have)), key=lambda index: (int(exact[index]) - exact[index], index))
    while sum(quota) < total:
        grew = False
        for index in order:
            if sum(quota) < total and quota[index] < have[index]:
                quota[index] += 1
                grew = True
        if not grew:
            break
    while sum(quota) > total:
        largest = max(range(len(quota)), key=lambda index: quota[index])
        quota[largest] -= 1
    return quota


def join(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each of ``count`` items the smallest item that it is connected to by ``pairs``."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return [root(item) for item in range(count)]
