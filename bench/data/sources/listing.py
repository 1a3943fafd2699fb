"""Which files of a folder or zip are images, and of which class, split and group by the folders that they lie in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from bench.data.foreign_formats import by_suffix
from bench.data.sources.base import Sample, check_classes
from bench.data.sources.layout import find_layout
from bench.data.sources.litter import in_system_folder, is_litter
from bench.data.sources.split_names import split_meant, split_named
from bench.errors import DataError
from bench.results.dataset import FoundLayout
from bench.results.notice import Notice
from bench.results.stored import storable
from bench.study.layout import CLASS, GROUP, SPLIT, Layout

__all__ = ["EXTENSIONS", "Listing", "list_images"]

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
"""What the name of an image may end in."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a folder or zip, labeled by the folders that they lie in."""

    images: list[tuple[str, Sample]]
    """Path below the root and record of each, ordered by name."""
    ignored: list[tuple[str, Notice]]
    """Files that are not taken for images: path and reason."""
    empty: list[str]
    """Class folders that hold no image."""
    layout: FoundLayout
    """How the images lie."""


def list_images(paths: Iterable[str], where: str, folders: Iterable[str] = (), layout: str | None = None) -> Listing:
    """Label image files by the folders that they lie in.

    Folders above all images are left out of the names, so that a folder, a zip of it and the original archive name an
    image alike.

    Args:
        paths: the files' paths below the root, with ``/``.
        where: the root, for messages.
        folders: the paths of all folders, to find the class folders without an image.
        layout: which level is what (`bench.study.layout`); found where it is left out.

    Raises:
        DataError: there are no images in class folders, it is not clear which folders are the classes, or the names of
            classes or files collide.
    """
    images, ignored = _sort(paths)
    if not images:
        raise DataError(_nothing_found(where, ignored))
    root = _common_root([path.parent for path in images])
    all_folders = [PurePosixPath(folder) for folder in folders]
    if layout is None:
        found, base = _found(images, root, all_folders, where), root
    else:
        found, base = _given(Layout.parse(layout), images, root, where)
    taken = {path: _record(path, root, base, found) for path in images}
    records = sorted(((str(path), record) for path, record in taken.items() if record), key=lambda pair: pair[1].name)
    check_classes((record.label for _, record in records), where)
    _check_names(records, where)
    notice = Notice.of("outside_class_folders") if layout is None else Notice.of("outside_layout", layout=str(found))
    ignored += [(str(path), notice) for path, record in taken.items() if record is None]
    return Listing(
        records,
        sorted(ignored, key=lambda pair: pair[0]),
        _empty({PurePosixPath(path) for path, _ in records}, all_folders, base, found),
        FoundLayout(pattern=str(found), given=layout is not None, inside=_normal(str(base)) if base.parts else ""),
    )


def _sort(paths: Iterable[str]) -> tuple[list[PurePosixPath], list[tuple[str, Notice]]]:
    """What may be images, and what is not, with the reason."""
    images: list[PurePosixPath] = []
    ignored: list[tuple[str, Notice]] = []
    for text in paths:
        path = PurePosixPath(text)
        if is_litter(path):
            continue
        if not _is_text(text):
            ignored.append((storable(text), Notice.of("name_not_utf8")))
        elif any(part.startswith(".") for part in path.parts[:-1]):
            ignored.append((text, Notice.of("hidden_folder")))
        elif in_system_folder(path.parent):
            ignored.append((text, Notice.of("system_folder")))
        elif path.suffix.lower() in EXTENSIONS or path.name.lower() in EXTENSIONS:
            images.append(path)
        else:
            foreign = by_suffix(path.name)
            ignored.append((text, foreign.notice if foreign else Notice.of("suffix_unknown")))
    return images, ignored


def _found(images: list[PurePosixPath], root: PurePosixPath, folders: list[PurePosixPath], where: str) -> Layout:
    counted = Counter(_folders(path, root) for path in images)
    del counted[()]  # beside the class folders: reported, and not used
    if not counted:
        raise DataError(
            f"{where}: the images lie in no class folders; put them into one folder a class, or list them with "
            "their labels in a CSV"
        )
    _check_empty_splits(images, root, folders, where)
    return find_layout(counted, where)


def _check_empty_splits(
    images: list[PurePosixPath], root: PurePosixPath, folders: list[PurePosixPath], where: str
) -> None:
    """Refuse a split's folder without an image beside others that have some: it would be passed over in silence."""
    holding = {folder for image in images for folder in image.parents}
    splits = [folder for folder in holding if split_named(folder.name)]
    beside = {folder.parent for folder in splits if folder.parent == root or folder in (root, *root.parents)}
    empty = [f for f in folders if f.parent in beside and f not in holding and split_named(f.name)]
    if empty:
        raise DataError(
            f"{where}: the folder {str(empty[0])!r} holds no images that can be read, though other split folders do; "
            "fill it, or remove it"
        )


def _given(
    layout: Layout, images: list[PurePosixPath], root: PurePosixPath, where: str
) -> tuple[Layout, PurePosixPath]:
    """The layout, and the folder that it is counted from: the one that holds all images, or one above that."""
    for base in (root, *root.parents):
        if any(_roles(path, base, layout) for path in images):
            return layout, base
    lying = sorted({"/".join((*_folders(path, root), "*")) for path in images})
    split = " The folder of a {split} must speak of train, val or test." if SPLIT in layout.levels else ""
    raise DataError(
        f"{where}: no image lies as dataset.layout {str(layout)!r} says; they lie in "
        f"{', '.join(map(repr, lying[:3]))}{' ...' if len(lying) > 3 else ''}.{split} Correct dataset.layout, or leave "
        "it out"
    )


def _roles(path: PurePosixPath, base: PurePosixPath, layout: Layout) -> dict[str, str] | None:
    roles = layout.match(_folders(path, base))
    return None if roles is None or (SPLIT in roles and split_meant(roles[SPLIT]) is None) else roles


def _record(path: PurePosixPath, root: PurePosixPath, base: PurePosixPath, layout: Layout) -> Sample | None:
    roles = _roles(path, base, layout)
    if roles is None:
        return None
    split = split_meant(roles[SPLIT]) if SPLIT in roles else None
    return Sample(name=_normal(str(path.relative_to(root))), label=roles[CLASS], split=split, group=roles.get(GROUP))


def _empty(images: set[PurePosixPath], folders: list[PurePosixPath], base: PurePosixPath, layout: Layout) -> list[str]:
    """The classes whose folders hold no image; hidden ones are no classes."""
    holding = {folder for image in images for folder in image.parents}
    above = Layout(layout.levels[: layout.levels.index(CLASS) + 1])
    found = set()
    for folder in folders:
        name = storable(_normal(folder.name))
        if folder in holding or not folder.is_relative_to(base) or name.startswith((".", "__")):
            continue
        roles = (
            None
            if in_system_folder(folder)
            else above.match(tuple(storable(part) for part in _folders(folder / "*", base)))
        )
        if roles is not None and (SPLIT not in roles or split_meant(roles[SPLIT])):
            found.add(name)
    return sorted(found)


def _folders(path: PurePosixPath, base: PurePosixPath) -> tuple[str, ...]:
    return tuple(map(_normal, path.relative_to(base).parts[:-1]))


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _check_names(records: list[tuple[str, Sample]], where: str) -> None:
    for (one, record), (other, following) in pairwise(records):
        if record.name == following.name:
            raise DataError(
                f"{where}: the files {one!a} and {other!a} differ only in accent encoding; rename one of them"
            )


def _common_root(folders: list[PurePosixPath]) -> PurePosixPath:
    """The deepest folder that holds every class folder: one image folder alone is a class, not the root."""
    distinct = sorted(set(folders))
    shared = list(distinct[0].parts)
    for folder in distinct[1:]:
        keep = 0
        for mine, other in zip(shared, folder.parts, strict=False):
            if mine != other:
                break
            keep += 1
        del shared[keep:]
    if len(distinct) == 1 and shared:
        shared.pop()
    return PurePosixPath(*shared)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _nothing_found(where: str, ignored: list[tuple[str, Notice]]) -> str:
    seen = f" (it holds {len(ignored)} other files, such as {ignored[0][0]!r})" if ignored else ""
    foreign = next((found for name, _ in ignored if (found := by_suffix(name))), None)
    cure = f"; {foreign.reason}" if foreign else ""
    return (
        f"{where}: no images found{seen}{cure}; a data set is a folder, or a zip of one, with a folder for each class"
    )
