"""Which files of a folder or zip are images, and of which class, split and group by the folders that they lie in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from bench.data.foreign_formats import by_suffix
from bench.data.sources.base import Sample, check_classes
from bench.data.sources.folder_names import split_meant, split_named
from bench.data.sources.layout import Folders, common_root, find_layout
from bench.data.sources.litter import in_system_folder, is_litter
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
    held = Counter(_folders_of(path) for path in images)
    holding, all_folders = _with_parents(held), list(map(_parts, folders))
    empty = [folder for folder in all_folders if folder not in holding]
    root = common_root(held)
    if layout is None:
        found, base = _find(held, root, empty, where), len(root)
    else:
        found, base = _given(Layout.parse(layout), held, root, where)
    roles = {folder: _roles(folder[base:], found) for folder in held}
    start = len("".join(f"{name}/" for name in root))
    records = [
        (path, _record(_normal(path[start:]), known))
        for path in images
        if (known := roles[_folders_of(path)]) is not None
    ]
    records.sort(key=lambda pair: pair[1].name)
    check_classes({record.label for _, record in records}, where)
    _check_names(records, where)
    notice = Notice.of("outside_class_folders") if layout is None else Notice.of("outside_layout", layout=str(found))
    ignored += [(path, notice) for path in images if roles[_folders_of(path)] is None]
    return Listing(
        records,
        sorted(ignored, key=lambda pair: pair[0]),
        _empty_classes({folder for folder, known in roles.items() if known}, all_folders, root[:base], found),
        FoundLayout(pattern=str(found), given=layout is not None, inside=_normal("/".join(root[:base]))),
    )


def _sort(paths: Iterable[str]) -> tuple[list[str], list[tuple[str, Notice]]]:
    """What may be images, and what is not, with the reason."""
    images: list[str] = []
    ignored: list[tuple[str, Notice]] = []
    system: dict[Folders, bool] = {}
    for path in paths:
        if is_litter(path):
            continue
        folders, name = _folders_of(path), path.rpartition("/")[2].lower()
        if not _is_text(path):
            ignored.append((storable(path), Notice.of("name_not_utf8")))
        elif any(folder.startswith(".") for folder in folders):
            ignored.append((path, Notice.of("hidden_folder")))
        elif system.setdefault(folders, in_system_folder(folders)):
            ignored.append((path, Notice.of("system_folder")))
        elif name[name.rfind(".") :] in EXTENSIONS:
            images.append(path)
        else:
            foreign = by_suffix(name)
            ignored.append((path, foreign.notice if foreign else Notice.of("suffix_unknown")))
    return images, ignored


def _find(held: Mapping[Folders, int], root: Folders, empty: list[Folders], where: str) -> Layout:
    """The layout that the folders show; ``empty`` are those without an image."""
    inside: Counter[Folders] = Counter()
    for folder, count in held.items():
        if folder != root:  # the few that lie beside the class folders are reported, and not used
            inside[_normal_parts(folder[len(root) :])] += count
    if not inside:
        raise DataError(
            f"{where}: the images lie in no class folders; put them into one folder a class, or list them with "
            "their labels in a CSV"
        )
    _check_empty_splits(_with_parents(held), root, empty, where)
    return find_layout(inside, where, held.get(root, 0))


def _check_empty_splits(holding: set[Folders], root: Folders, empty: list[Folders], where: str) -> None:
    """Refuse a split's folder without an image beside others that have some: it would be passed over in silence."""
    splits = [folder for folder in holding if folder and split_named(folder[-1])]
    beside = {folder[:-1] for folder in splits if folder[:-1] == root or folder == root[: len(folder)]}
    if lacking := [folder for folder in empty if folder[:-1] in beside and split_named(folder[-1])]:
        raise DataError(
            f"{where}: the folder {'/'.join(lacking[0])!r} holds no images that can be read, though other split "
            "folders do; fill it, or remove it"
        )


def _given(layout: Layout, held: Iterable[Folders], root: Folders, where: str) -> tuple[Layout, int]:
    """The layout, and at which level it begins: below the folder that holds all images, or one above that."""
    for base in range(len(root), -1, -1):
        if any(_roles(folder[base:], layout) for folder in held):
            return layout, base
    lying = sorted("/".join((*folder[len(root) :], "*")) for folder in held)
    split = " The folder of a {split} must speak of train, val or test." if SPLIT in layout.levels else ""
    raise DataError(
        f"{where}: no image lies as dataset.layout {str(layout)!r} says; they lie in "
        f"{', '.join(map(repr, lying[:3]))}{' ...' if len(lying) > 3 else ''}.{split} Correct dataset.layout, or leave "
        "it out"
    )


def _roles(folders: Folders, layout: Layout) -> dict[str, str] | None:
    """The folder of each role for images in these folders; None where they are not as the layout says."""
    roles = layout.match(_normal_parts(folders))
    return None if roles is None or (SPLIT in roles and split_meant(roles[SPLIT]) is None) else roles


def _record(name: str, roles: dict[str, str]) -> Sample:
    split = split_meant(roles[SPLIT]) if SPLIT in roles else None
    return Sample(name=name, label=roles[CLASS], split=split, group=roles.get(GROUP))


def _empty_classes(used: Iterable[Folders], folders: Iterable[Folders], above: Folders, layout: Layout) -> list[str]:
    """The classes whose folders hold no image that is used; hidden ones are no classes."""
    holding = _with_parents(used)
    to_class = Layout(layout.levels[: layout.levels.index(CLASS) + 1])
    classes = set()
    for folder in folders:
        if folder in holding or folder[: len(above)] != above or in_system_folder(folder):
            continue
        roles = _roles(tuple(map(storable, folder[len(above) :])), to_class)
        if roles is not None and not roles[CLASS].startswith((".", "__")):
            classes.add(roles[CLASS])
    return sorted(classes)


def _parts(folder: str) -> Folders:
    return tuple(folder.split("/")) if folder else ()


def _folders_of(path: str) -> Folders:
    return _parts(path.rpartition("/")[0])


def _with_parents(folders: Iterable[Folders]) -> set[Folders]:
    return {folder[:depth] for folder in folders for depth in range(len(folder) + 1)}


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _normal_parts(folders: Folders) -> Folders:
    return tuple(map(_normal, folders))


def _check_names(records: list[tuple[str, Sample]], where: str) -> None:
    for (one, record), (other, following) in pairwise(records):
        if record.name == following.name:
            raise DataError(
                f"{where}: the files {one!a} and {other!a} differ only in accent encoding; rename one of them"
            )


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
