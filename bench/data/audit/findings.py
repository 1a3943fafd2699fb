"""What is wrong with a data set: files that fail, duplicates, contradictions, odd ones, imbalance, leaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice
from pathlib import Path

import numpy as np

from bench.data.audit.conversions import conversions
from bench.data.audit.near_duplicates import near_pairs
from bench.data.audit.scan import ImageInfo, examine
from bench.data.pixels.wide_samples import Bits, bits_for
from bench.data.sources import open_source
from bench.data.sources.base import Source
from bench.results.dataset import LISTED_PAIRS, AuditFindings, DataCard, Dropped, DuplicateGroup, NearPair, Split
from bench.results.notice import Notice, several, verbatim
from bench.study.dataset import DatasetSpec, SplitSpec

__all__ = ["AuditReport", "audit", "class_counts", "find", "find_leaks"]

_ODD_LISTED = 100


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What ``patchbench data audit`` prints."""

    card: DataCard
    """The source."""
    findings: AuditFindings
    """What was found."""
    seconds: float
    """Seconds that it took."""
    by_split: Mapping[str, Mapping[str, int]]
    """Files taken for images, by official split (empty where there is none) and class."""


def audit(
    spec: DatasetSpec,
    *,
    cache_dir: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> AuditReport:
    """Read every image of a data set once and report what is wrong with it. Nothing is changed or left out.

    Args:
        spec: the data set; ``limit`` is not used.
        cache_dir: where arrays are unpacked to; downloads that are not there are the user's cache's.
        progress: called with the stage, how many images are done, and how many there are.

    Raises:
        DataError: the source cannot be opened.
    """
    import time

    start = time.perf_counter()
    source = open_source(spec, cache_dir=cache_dir)
    names = [record.name for record in source.records]

    def notify(done: int) -> None:
        if progress is not None:
            progress("audit", done, len(names))

    facts = examine(source.reader, names, progress=notify)
    findings = find(source, facts, near_threshold=spec.duplicates.near_threshold)
    return AuditReport(source.card, findings, time.perf_counter() - start, _by_split(source))


def _by_split(source: Source) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record in source.records:
        counts[record.split or ""][record.label] += 1
    return {
        split: dict(sorted(counts[split].items())) for split in ("train", "validation", "test", "") if counts[split]
    }


def find(source: Source, facts: Sequence[ImageInfo], *, near_threshold: int) -> AuditFindings:
    """Draw the findings from what was seen; ``facts[i]`` is of ``source.records[i]``."""
    labels = {record.name: record.label for record in source.records}
    good = [fact for fact in facts if not fact.error and labels[fact.name]]
    unreadable = [Dropped(name=fact.name, notice=fact.notice or verbatim(fact.error)) for fact in facts if fact.error]
    unlabeled = Notice.of("no_known_prefix")
    unreadable += [
        Dropped(name=fact.name, notice=unlabeled) for fact in facts if not fact.error and not labels[fact.name]
    ]
    exact = _exact(good, labels)
    pairs, total = near_pairs(_one_of_each(good), near_threshold, most=LISTED_PAIRS)
    near = tuple(
        NearPair(first=a, second=b, first_label=labels[a], second_label=labels[b], distance=distance)
        for a, b, distance in pairs
    )
    counts = class_counts([*labels.values(), *source.empty], [labels[fact.name] for fact in good])
    odd = _odd(good)
    would_leak, leaking = _would_leak(good, labels, exact, near)
    return AuditFindings(
        images=len(facts),
        readable=sum(not fact.error for fact in facts),
        unreadable=tuple(unreadable),
        ignored=tuple(Dropped(name=name, notice=notice) for name, notice in source.ignored),
        exact=tuple(exact),
        near=near,
        near_pairs=total,
        near_threshold=near_threshold,
        sizes=_most_common(f"{fact.width}x{fact.height}" for fact in good),
        modes=_most_common(fact.mode for fact in good),
        conversions=tuple(conversions(good)),
        sample_bits=_sample_bits(facts),
        odd=tuple(odd[:_ODD_LISTED]),
        odd_images=len(odd),
        class_counts=counts,
        imbalance=_imbalance(counts),
        would_leak=tuple(would_leak),
        would_leak_pairs=leaking,
    )


def _sample_bits(facts: Sequence[ImageInfo]) -> Bits | None:
    """Return what a set uses of the 16 bits a channel that some images have; None where none has."""
    return bits_for(fact.highest for fact in facts if fact.highest is not None)


def _exact(facts: Sequence[ImageInfo], labels: Mapping[str, str]) -> list[DuplicateGroup]:
    alike: dict[object, list[ImageInfo]] = defaultdict(list)
    for fact in facts:
        alike[_identity(fact)].append(fact)
    return [
        DuplicateGroup(
            names=tuple(fact.name for fact in group),
            labels=tuple(labels[fact.name] for fact in group),
            same_bytes=len({fact.bytes_hash for fact in group}) == 1,
        )
        for group in alike.values()
        if len(group) > 1
    ]


def _one_of_each(facts: Sequence[ImageInfo]) -> list[ImageInfo]:
    """The first image of every set of identical ones: exact duplicates are not near duplicates as well."""
    return list({_identity(fact): fact for fact in reversed(facts)}.values())[::-1]


def _identity(fact: ImageInfo) -> object:
    return (fact.width, fact.height, fact.pixel_hash) if fact.pixel_hash else fact.name


def _most_common(words: object) -> dict[str, int]:
    return dict(Counter(words).most_common())  # type: ignore[call-overload]


def _odd(facts: Sequence[ImageInfo]) -> list[Dropped]:
    if not facts:
        return []
    size = Counter((fact.width, fact.height) for fact in facts).most_common(1)[0][0]
    mode = Counter(fact.mode for fact in facts).most_common(1)[0][0]
    odd = []
    for fact in facts:
        what = []
        if (fact.width, fact.height) != size:
            what.append(Notice.of("odd_size", size=f"{fact.width}x{fact.height}", usual=f"{size[0]}x{size[1]}"))
        if fact.mode != mode:
            what.append(Notice.of("odd_mode", mode=fact.mode, usual=mode))
        if "rotated" in fact.changes:
            what.append(Notice.of("exif_rotated"))
        notice = several(what)
        if notice is not None:
            odd.append(Dropped(name=fact.name, notice=notice))
    return odd


def class_counts(all_labels: object, good_labels: Sequence[str]) -> dict[str, int]:
    """Count the readable images of each class; a class with none of them counts 0."""
    counts = Counter(good_labels)
    return {label: counts[label] for label in sorted(set(all_labels)) if label}  # type: ignore[call-overload]


def _imbalance(counts: Mapping[str, int]) -> float | None:
    if not counts or min(counts.values()) == 0:
        return None
    return max(counts.values()) / min(counts.values())


def _would_leak(
    facts: Sequence[ImageInfo],
    labels: Mapping[str, str],
    exact: Sequence[DuplicateGroup],
    near: Sequence[NearPair],
) -> tuple[list[tuple[str, str]], int]:
    """The pairs that the split of the same defaults would divide if it knew nothing of duplicates; as `find_leaks`."""
    if not exact and not near:
        return [], 0
    from bench.data.split.assign import shares

    spec = SplitSpec()
    by_class: dict[str, list[str]] = defaultdict(list)
    for fact in facts:
        by_class[labels[fact.name]].append(fact.name)
    rng = np.random.default_rng(spec.seed)
    splits: dict[str, Split] = {}
    for label in sorted(by_class):
        members = by_class[label]
        test, validation = shares([len(members)], [spec.test, spec.validation])[0]
        for place, row in enumerate(rng.permutation(len(members))):
            splits[members[row]] = "test" if place < test else "validation" if place < test + validation else "train"
    return find_leaks(splits, exact, near)


def find_leaks(
    splits: Mapping[str, str], exact: Sequence[DuplicateGroup], near: Sequence[NearPair]
) -> tuple[list[tuple[str, str]], int]:
    """Return the pairs of duplicates and near duplicates whose two images lie in different splits.

    Images that ``splits`` does not know (they were left out) leak nothing. A thousand pairs at most are returned, with
    how many there are in all: n copies of one image make n x n of them, so they are counted and not gone through.
    """
    divided, total = [], 0
    for group in exact:
        known = [name for name in group.names if name in splits]
        in_each = Counter(splits[name] for name in known).values()
        across = (len(known) ** 2 - sum(count**2 for count in in_each)) // 2
        total += across
        if across:
            divided.append(known)
    alike = [(pair.first, pair.second) for pair in near if pair.first in splits and pair.second in splits]
    apart = [(a, b) for a, b in alike if splits[a] != splits[b]]
    copies = ((a, b) for known in divided for a, b in combinations(known, 2) if splits[a] != splits[b])
    return list(islice(chain(copies, apart), LISTED_PAIRS)), total + len(apart)
