"""From a study's data set to the images, labels and split that every one of its cells uses."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath

import PIL
from PIL import features

from bench.data.audit.findings import find, find_leaks
from bench.data.audit.scan import ImageInfo, Stage, data_changed, examine
from bench.data.audit.scan_cache import load_facts, save_facts
from bench.data.cache_dir import cache_folder
from bench.data.foreign_formats import by_suffix
from bench.data.pixels import cache
from bench.data.pixels.stage import compact, new_stage
from bench.data.pixels.wide_samples import FULL
from bench.data.sources import open_source
from bench.data.sources.base import Sample, Source
from bench.data.split.assign import SPLITS, split, split_hash
from bench.data.split.csv_file import read_split
from bench.data.split.scarce import Causes
from bench.data.split.subset import SHOWN, drop_bad, subset, units
from bench.errors import DataError
from bench.results.dataset import AuditFindings, DatasetManifest, Dropped, Split
from bench.results.notice import Notice, list_names
from bench.study.dataset import DatasetSpec, SplitMethod, SplitSpec

__all__ = ["Progress", "pixels", "pixels_path", "prepare"]

Progress = Callable[[str, int, int], None]
"""Called with the stage (``audit`` or ``pixels``), how many images are done, and how many there are."""

_IMBALANCED = 10.0

_CONTENT_DIGITS = 16
"""Digits of a hash that the manifest keeps for each image: to name the one that changed; the fingerprint has all."""

_FEW_LEVELS = 64
"""An image that uses fewer of 256 levels has lost most of what it shows."""

_ASIDE = {
    "name_not_utf8": "its name is not valid UTF-8",
    "suffix_unknown": "its name does not end like an image's",
}
"""Why files of a class were not taken for images, in an error's words; a report has its own."""


def prepare(
    dataset: DatasetSpec,
    split_spec: SplitSpec | None = None,
    *,
    cache_dir: Path | None = None,
    keep: bool = True,
    progress: Progress | None = None,
) -> DatasetManifest:
    """Audit a data set, drop what its policy names, take the subset, and split it.

    The pixel cache for ``dataset.image_size`` is filled on the way, so that no image is decoded twice.

    Args:
        dataset: where the images are, and the policy.
        split_spec: how to split; the defaults without it.
        cache_dir: the cache folder; by default ``$PATCHBENCH_CACHE`` or the user's. What an earlier audit has found is
            taken from the user's where it is not there.
        keep: whether the cache is filled; without, nothing is written to it.
        progress: called while images are read.

    Raises:
        DataError: the data cannot be used: nothing there, one class only, a class without images or with too few.
    """
    start = time.perf_counter()
    folder = cache_folder(cache_dir)
    spec = split_spec or SplitSpec()
    source = open_source(dataset, cache_dir=folder, group_column=spec.group_column)
    given, method = _given_splits(source, spec)
    facts = load_facts(source, folder) or load_facts(source, cache_folder())
    with _stage(dataset, source, folder) if facts is None and keep else nullcontext() as stage:
        if facts is None:
            facts = _scan(source, stage, progress)
            if keep:
                save_facts(source, facts, folder)
        chosen = _choose(dataset, spec, source, facts, given, method)
        manifest = _manifest(dataset, source, facts, chosen, method, time.perf_counter() - start)
        if stage is not None:
            _publish(stage, source, manifest, dataset, folder)
    return manifest.model_copy(update={"seconds": time.perf_counter() - start})


def pixels(
    manifest: DatasetManifest,
    dataset: DatasetSpec,
    image_size: int,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the path of the pixel cache at ``image_size``; it is built where it is missing or damaged.

    Raises:
        DataError: the images changed since the manifest was made, or the cache cannot be written.
    """
    folder = cache_folder(cache_dir)
    path = pixels_path(manifest, dataset, image_size, folder)
    if cache.whole(path):
        return path
    source = open_source(dataset, cache_dir=folder)
    gone = set(manifest.names) - {record.name for record in source.records}
    if gone:
        raise DataError(
            f"{dataset.path}: {len(gone):,} images of this run are gone, such as {min(gone)!r}; put them back, or "
            "run the study in a new folder"
        )

    def notify(done: int) -> None:
        if progress is not None:
            progress("pixels", done, len(manifest.names))

    bits = manifest.audit.sample_bits or FULL
    with cache.building(path, len(manifest.names), image_size, dataset.resize) as stage:
        if stage is not None:
            facts = examine(source.reader, manifest.names, stage=stage, hashes=False, bits=bits, progress=notify)
            _check_unchanged(manifest, facts)
    return path


def _check_unchanged(manifest: DatasetManifest, facts: Sequence[ImageInfo]) -> None:
    """Raise where an image is not what it was when the manifest was made; ``facts[i]`` is of ``names[i]``."""
    for fact, content in zip_longest(facts, manifest.contents):
        if fact.error:
            raise DataError(
                f"{fact.name}: could be read before and cannot now ({fact.error}); the data set changed. "
                "Run the study again in a new folder"
            )
        if content is not None and not fact.bytes_hash.startswith(content):
            raise data_changed(fact.name)
    labels = [manifest.classes[label] for label in manifest.labels]
    if _fingerprint(labels, manifest.classes, facts) != manifest.fingerprint:
        raise data_changed(manifest.card.path or manifest.card.name)


def pixels_path(manifest: DatasetManifest, dataset: DatasetSpec, image_size: int, folder: Path) -> Path:
    """Return where the pixel cache of this set at this size lies, built or not; other decoders may round otherwise."""
    decoders = f"{PIL.__version__} {features.version('jpg')} {features.version('webp')} {features.version('libtiff')}"
    by = hashlib.sha256(decoders.encode()).hexdigest()[:8]
    return folder / "pixels" / f"{manifest.fingerprint[:32]}-{image_size}-{dataset.resize}-{by}.npy"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The images in use, in order, and what was learned on the way."""

    records: list[Sample]
    splits: list[Split]
    findings: AuditFindings
    dropped: list[Dropped]
    warnings: list[Notice]
    limited_from: int | None


def _given_splits(source: Source, spec: SplitSpec) -> tuple[dict[str, Split], SplitMethod]:
    """The splits that a file or the source fixes, and the method that is used."""
    method = spec.wanted
    official = {record.name: record.split for record in source.records if record.split is not None}
    if method == "auto":
        grouped = any(record.group is not None for record in source.records)
        method = "official" if official else "grouped" if grouped else "stratified"
    if method == "official" and not official:
        raise DataError(
            f"{source.card.path or source.card.name}: brings no split of its own; use split.method=stratified"
        )
    if method == "file" and spec.file is not None:
        return _check_file(read_split(spec.file), source, spec.file), method
    return (official if method == "official" else {}), method


def _check_file(splits: dict[str, Split], source: Source, path: Path) -> dict[str, Split]:
    known = {record.name for record in source.records}
    strange = [name for name in splits if name not in known]
    if strange:
        raise DataError(
            f"{path}: {len(strange):,} images are not in the data set, such as {strange[0]!r}; names are paths "
            f"like {min(known)!r}"
        )
    return splits


def _stage(dataset: DatasetSpec, source: Source, folder: Path) -> AbstractContextManager[Stage | None]:
    """Reserve the pixel cache, unless most of the images will not be used."""
    rows = len(source.records)
    if dataset.limit is not None and 2 * dataset.limit < rows:
        return nullcontext()
    return new_stage(folder / "pixels", rows, dataset.image_size, dataset.resize)


def _scan(source: Source, stage: Stage | None, progress: Progress | None) -> list[ImageInfo]:
    names = [record.name for record in source.records]

    def notify(done: int) -> None:
        if progress is not None:
            progress("audit", done, len(names))

    return examine(source.reader, names, stage=stage, progress=notify)


def _choose(
    dataset: DatasetSpec,
    spec: SplitSpec,
    source: Source,
    facts: Sequence[ImageInfo],
    given: dict[str, Split],
    method: SplitMethod,
) -> _Chosen:
    policy = dataset.duplicates
    findings = find(source, facts, near_threshold=policy.near_threshold)
    dropped = drop_bad(findings, policy, dict(given))
    out = {entry.name for entry in dropped}
    if method == "file":
        listed = given.keys() | out
        unlisted = [record.name for record in source.records if record.name not in listed]
        dropped += [Dropped(name=name, notice=Notice.of("not_in_split_file")) for name in unlisted]
        out.update(unlisted)
    records = [record for record in source.records if record.name not in out]
    _check_classes(source, records, facts)
    limited_from = None
    if dataset.limit is not None and dataset.limit < len(records):
        limited_from = len(records)
        rows = subset(
            [record.label for record in records],
            [given.get(record.name) for record in records],
            dataset.limit,
            dataset.limit_by,
            dataset.seed,
        )
        records = [records[row] for row in rows]
    groups = _groups(records, spec)
    names, labels = [record.name for record in records], [record.label for record in records]
    together, near, warnings = units(names, groups, findings, policy)
    causes = Causes(
        near=near,
        copies=_copies(source, dropped),
        grouped=any(group is not None for group in groups),
        limited=limited_from is not None,
    )
    splits = split(names, labels, together, spec, method, given, causes)
    _check_groups(groups, splits)
    return _Chosen(records, splits, findings, dropped, warnings, limited_from)


def _copies(source: Source, dropped: Sequence[Dropped]) -> Counter[str]:
    """How many exact duplicates of each class were left out."""
    label = {record.name: record.label for record in source.records}
    return Counter(label[entry.name] for entry in dropped if entry.notice.code == "duplicate_of")


def _check_groups(groups: Sequence[str | None], splits: Sequence[Split]) -> None:
    """Raise where a split that was given divides a group that the study names."""
    first: dict[str, Split] = {}
    for group, own in zip(groups, splits, strict=True):
        if group is not None and first.setdefault(group, own) != own:
            raise DataError(
                f"The split that was given divides the group {group!r}: it has images for {first[group]} and {own}. "
                "Correct the split, divide all images anew with split.method=stratified (groups stay whole), or write "
                "* in place of {group} in dataset.layout where it names no groups"
            )


def _check_classes(source: Source, records: Sequence[Sample], facts: Sequence[ImageInfo]) -> None:
    """Raise where a class of the source has no usable image left, with the reason of the first that cannot be used."""
    left = {record.label for record in records}
    empty = sorted(({record.label for record in source.records} | set(source.empty)) - left - {""})
    if empty:
        raise DataError(
            f"{source.card.path or source.card.name}: the class {empty[0]!r} has no image that can be used; "
            f"{_why_empty(empty[0], source, facts)}add images, or remove the class"
        )


def _why_empty(label: str, source: Source, facts: Sequence[ImageInfo]) -> str:
    """What is wrong with the first file of a class."""
    inside = {record.name for record in source.records if record.label == label}
    for fact in facts:
        if fact.name in inside and fact.error:
            return f"{fact.name}: {fact.error}; "
    if inside:
        return "all of its images were left out, as copies of others or for contradicting labels; "
    aside = [entry for entry in source.ignored if label in PurePosixPath(entry[0]).parts] or source.ignored
    return f"{_ignored_hint(*aside[0])}; " if aside else ""


def _ignored_hint(name: str, notice: Notice) -> str:
    foreign = by_suffix(name) if notice.code == "foreign_format" else None
    reason = foreign.reason if foreign else _ASIDE.get(notice.code, "patchbench data audit prints why")
    return f"{name} was not taken for an image ({reason})"


def _groups(records: Sequence[Sample], spec: SplitSpec) -> list[str | None]:
    if spec.group_column is not None:
        if any(record.group is None for record in records):
            raise DataError(
                f"split.group_column {spec.group_column!r}: only a csv data set has columns, and every line needs "
                "a value there; use split.group (a regular expression on the names) otherwise"
            )
        return [record.group for record in records]
    if spec.group is None:
        return [record.group for record in records]
    pattern = re.compile(spec.group)
    groups: list[str | None] = []
    for record in records:
        match = pattern.search(record.name)
        if match is None:
            raise DataError(
                f"split.group: the expression {spec.group!r} finds nothing in the name {record.name!r}; every image "
                "needs a group"
            )
        groups.append(match.group(1 if pattern.groups else 0) or "")
    return groups


def _manifest(
    dataset: DatasetSpec,
    source: Source,
    facts: Sequence[ImageInfo],
    chosen: _Chosen,
    method: SplitMethod,
    seconds: float,
) -> DatasetManifest:
    names = [record.name for record in chosen.records]
    by_name = {fact.name: fact for fact in facts}
    seen = [by_name[name] for name in names]
    classes = sorted({record.label for record in chosen.records})
    number = {label: index for index, label in enumerate(classes)}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record, own in zip(chosen.records, chosen.splits, strict=True):
        counts[record.label][own] += 1
    split_of = dict(zip(names, chosen.splits, strict=True))
    leaks, leaking = find_leaks(split_of, chosen.findings.exact, chosen.findings.near)
    return DatasetManifest(
        fingerprint=_fingerprint([record.label for record in chosen.records], classes, seen),
        split_hash=split_hash(names, chosen.splits),
        split_method=method,
        source=dataset.kind,
        synthetic=source.card.synthetic,
        classes=classes,
        names=names,
        labels=[number[record.label] for record in chosen.records],
        splits=chosen.splits,
        contents=[fact.bytes_hash[:_CONTENT_DIGITS] for fact in seen],
        counts={label: {own: counts[label][own] for own in SPLITS} for label in classes},
        audit=chosen.findings,
        dropped=chosen.dropped,
        leaks=leaks,
        leak_pairs=leaking,
        card=source.card,
        warnings=[*_warnings(chosen, leaks, leaking, source), *_dark(seen, chosen.findings.sample_bits or FULL)],
        limited_from=chosen.limited_from,
        seconds=seconds,
    )


def _fingerprint(labels: Sequence[str], classes: Sequence[str], facts: Sequence[ImageInfo]) -> str:
    # Of the files and not of their pixels, which another version of a JPEG decoder may round otherwise.
    digest = hashlib.sha256()
    for label in classes:
        digest.update(f"class\0{label}\n".encode())
    for label, fact in zip(labels, facts, strict=True):
        reading = f"\0{fact.reading}" if fact.reading else ""
        digest.update(f"{fact.name}\0{label}\0{fact.bytes_hash}{reading}\n".encode())
    return digest.hexdigest()


def _warnings(chosen: _Chosen, leaks: Sequence[tuple[str, str]], leaking: int, source: Source) -> list[Notice]:
    findings, found = chosen.findings, list(chosen.warnings)
    if findings.unreadable:
        count, first = len(findings.unreadable), findings.unreadable[0]
        found.append(Notice.of("unreadable_files", count=count, name=first.name, reason=first.notice))
    if findings.ignored:
        count, first = len(findings.ignored), findings.ignored[0]
        found.append(Notice.of("ignored_files", count=count, name=first.name, reason=first.notice))
    if findings.conflicting:
        group = findings.conflicting[0]
        names = list_names([name for name, _ in group.examples(SHOWN)], of=len(group.names))
        found.append(Notice.of("conflicting_labels", count=len(findings.conflicting), names=names))
    copies = sum(entry.notice.code == "duplicate_of" for entry in chosen.dropped)
    if copies:
        found.append(Notice.of("duplicates_left_out", count=copies))
    if leaks:
        found.append(Notice.of("split_leaks", count=leaking, names=list_names(leaks[0], of=len(leaks[0]))))
    if findings.imbalance is not None and findings.imbalance > _IMBALANCED:
        found.append(Notice.of("class_imbalance", ratio=findings.imbalance))
    return found + list(source.card.unknown)


def _dark(facts: Sequence[ImageInfo], bits: int) -> list[Notice]:
    """Say so where the brightest of the images with 16 bits a channel leave most of the others few levels."""
    wide = [fact.highest for fact in facts if fact.highest is not None]
    dark = sum(highest >> (bits - 8) < _FEW_LEVELS for highest in wide)
    if 2 * dark <= len(wide):
        return []
    return [Notice.of("few_gray_levels", count=dark, images=len(wide), bits=bits, levels=_FEW_LEVELS)]


def _publish(stage: Stage, source: Source, manifest: DatasetManifest, dataset: DatasetSpec, folder: Path) -> None:
    row = {record.name: index for index, record in enumerate(source.records)}
    compact(stage, len(source.records), [row[name] for name in manifest.names])
    cache.adopt(stage.path, pixels_path(manifest, dataset, stage.size, folder))
