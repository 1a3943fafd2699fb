"""Which folder is the class: the one rule for folders and zips, and what it refuses to guess.

Images lie in class folders (``{class}/*``), or in class folders within ``train``, ``val`` and ``test``
(``{split}/{class}/*``, the official split). A level of one folder called ``images`` or the like may lie between.
Whatever else there is could be read in more than one way, and is refused until ``dataset.layout`` says how.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from bench.data.sources.folder_names import is_group, split_meant, split_named
from bench.data.sources.layout_advice import advice, shown
from bench.errors import DataError
from bench.study.layout import CLASS, SPLIT, Layout

__all__ = ["Folders", "common_root", "find_layout"]

Folders = tuple[str, ...]
"""The folders from the data set's root to an image, the outermost first; names in NFC."""

_CONTAINERS = frozenset({"images", "image", "imgs", "img", "jpegimages", "jpg", "jpeg", "pictures", "photos", "png"})
"""Folders that hold the images of what is above them, and name nothing."""

_COMPANIONS = frozenset(
    {
        *("annotations", "annotation", "groundtruth", "labels", "mask", "masks", "segmentations"),
        *("unlabeled", "unlabelled", "unsorted"),
        *("augmented", "output", "outputs", "predictions", "runs", "thumbnails", "thumbs"),
    }
)
"""What lies beside such a folder and is no class: answers to other tasks, what a program made, or nothing."""

_FEW_LOOSE = 3
_LOOSE_SHARE = 0.1
"""More images than these, and more than this share of all, are no README's when they lie beside the class folders."""


def find_layout(images: Mapping[Folders, int], where: str, loose: int = 0) -> Layout:
    """Return how these images lie, where there is one way only to read it.

    Args:
        images: how many images lie in each folder, below the folder that holds them all; none lie in that one itself.
        where: the data set, for messages.
        loose: how many lie in that one itself. A few are passed over.

    Raises:
        DataError: it could be read in several ways; the message says which settings would decide.
    """
    above = common_root(images)  # folders that hold all the others, where there are loose images beside the first one
    try:
        _check_loose(loose, images)
        found = _find({folders[len(above) :]: count for folders, count in images.items()})
        return Layout((*above, *found.levels))
    except _UnclearError as unclear:
        raise DataError(f"{where}: {unclear} {advice(images)}") from unclear


def common_root(folders: Collection[Folders]) -> Folders:
    """Return the deepest folder that holds every class folder: one image folder alone is a class, not the root."""
    low, high = min(folders), max(folders)  # what these two share, all do
    if low == high:
        return low[:-1]
    depth = 0
    while depth < min(len(low), len(high)) and low[depth] == high[depth]:
        depth += 1
    return low[:depth]


class _UnclearError(Exception):
    """Why the folders could be read in more than one way."""


def _check_loose(loose: int, images: Mapping[Folders, int]) -> None:
    total = loose + sum(images.values())
    if loose > _FEW_LOOSE and loose > _LOOSE_SHARE * total:
        raise _UnclearError(
            f"images lie at different depths: {loose:,} of {total:,} lie in no class folder, beside "
            f"{shown(sorted({folders[0] for folders in images}))}. Move them away, or into class folders."
        )


def _find(images: Mapping[Folders, int]) -> Layout:
    tops = sorted({folders[0] for folders in images})
    splits = [top for top in tops if split_named(top)]
    if not splits:
        return Layout(_class_levels(images))
    _check_splits(images, tops, splits)
    below: Counter[Folders] = Counter()
    for folders, count in images.items():
        below[folders[1:]] += count
    levels = _class_levels(below)
    _check_classes_of_splits(images, levels.index(CLASS) + 1)
    return Layout((SPLIT, *levels))


def _check_splits(images: Mapping[Folders, int], tops: list[str], splits: list[str]) -> None:
    flat = sorted({folders[0] for folders in images if len(folders) == 1})
    beside = [top for top in tops if top not in splits]
    if beside and flat == tops:
        raise _UnclearError(f"{shown(splits)} would become a class, and is the name of a split.")
    if beside:
        raise _UnclearError(f"images lie in {shown(beside)} too, beside the split folders {shown(splits)}.")
    if flat == tops:
        raise _UnclearError(
            f"the images in {shown(splits)} lie in no class folders, so the splits would become the classes. Put them "
            "into a folder for each class there, or list them in a CSV with the columns path, label and split "
            "(dataset.split_column); boxes and masks of object detection are not read."
        )
    if loose := [name for name in flat if name in splits]:
        raise _UnclearError(
            f"images in {shown(loose)} lie in no class folder, unlike others: nothing tells their class. Move them "
            "away, or into class folders."
        )
    named: dict[str, list[str]] = defaultdict(list)
    for name in splits:
        named[split_named(name) or ""].append(name)
    for split, names in named.items():
        if len(names) > 1:
            raise _UnclearError(f"the folders {shown(names)} both name the {split} split; join or rename them.")


def _class_levels(images: Mapping[Folders, int]) -> Folders:
    """The levels below the split, one of them the class."""
    if len({len(folders) for folders in images}) > 1:
        raise _UnclearError(f"images lie at different depths, such as in {_at_depths(images)}.")
    names = [sorted(set(level)) for level in zip(*images, strict=True)]
    several = [index for index, level in enumerate(names) if not _is_container(level)] or [len(names) - 1]
    if len(several) > 1:
        raise _UnclearError(_too_deep(images, names))
    _check_classes(names[several[0]])
    return tuple(CLASS if index == several[0] else level[0] for index, level in enumerate(names))


def _is_container(level: list[str]) -> bool:
    return len(level) == 1 and level[0].lower() in _CONTAINERS


def _too_deep(images: Mapping[Folders, int], names: list[list[str]]) -> str:
    above: dict[str, set[str]] = defaultdict(set)
    for folders in images:
        above[folders[-1]].add(folders[-2])
    levels = "; ".join(f"{shown(level)}" for level in names)
    again = sorted(name for name, parents in above.items() if len(parents) > 1)
    how = f", and {shown(again[:1])} is there more than once" if again else ""
    return (
        f"images lie {len(names)} folders deep ({levels}){how}: each could be the class, or a group such as a patient."
    )


def _check_classes(classes: list[str]) -> None:
    if named := [name for name in classes if split_named(name)]:
        raise _UnclearError(f"{shown(named)} would become a class, and is the name of a split.")
    meant = {split_meant(name) for name in classes} - {None}
    if len(meant) > 1:
        speaking = [name for name in classes if split_meant(name)]
        raise _UnclearError(f"the folders {shown(speaking)} are named like splits and would become classes.")
    if odd := [name for name in classes if name.lower() in _CONTAINERS | _COMPANIONS]:
        raise _UnclearError(
            f"{shown(odd)} would become a class, but is called like a folder of images, masks, outputs or unlabeled "
            "ones. Put the images into a folder for each class, or list them with their labels in a CSV."
        )
    if all(map(is_group, classes)):
        raise _UnclearError(
            f"the folders {shown(classes)} would become the classes, and are named like groups (patients, videos). "
            "If their classes stand elsewhere, list the images in a CSV with a column for the group "
            "(split.group_column)."
        )


def _check_classes_of_splits(images: Mapping[Folders, int], level: int) -> None:
    classes: dict[str, set[str]] = defaultdict(set)
    for folders in images:
        classes[folders[0]].add(folders[level])
    train = next((top for top in classes if split_named(top) == "train"), None)
    trained = {name.casefold() for name in classes.get(train or "", ())}  # classes that differ in case have a message
    for top, names in classes.items():
        if train is not None and trained.isdisjoint(map(str.casefold, names)):
            raise _UnclearError(
                f"{top} and {train} have no class folder in common ({shown(sorted(names))} there, "
                f"{shown(sorted(classes[train]))} here). Where it has no labels, leave it out with the pattern "
                f"'{train}/{{class}}/*'."
            )


def _at_depths(images: Iterable[Folders]) -> str:
    first: dict[int, Folders] = {}
    for folders in sorted(images):
        first.setdefault(len(folders), folders)
    return shown(["/".join(folders) for folders in first.values()])
