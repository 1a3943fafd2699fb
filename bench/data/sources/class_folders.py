"""Folders that name classes: which files of a listing are images, and of which class."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from bench.data.sources.base import Sample, check_classes, is_litter, split_named
from bench.errors import DataError
from bench.results.notice import Notice
from bench.results.stored import storable

__all__ = ["EXTENSIONS", "Listing", "label_by_folder"]

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
    """Folders beside the class folders that hold no image."""


def label_by_folder(paths: Iterable[str], where: str, folders: Iterable[str] = ()) -> Listing:
    """Label image files by the folder that each lies in.

    Folders above all the class folders are left out of the names, so that a folder, a zip of it and the
    original archive name an image alike. Where every class folder lies in one of ``train``, ``val`` or
    ``test``, that is the official split.

    Args:
        paths: the files' paths below the root, with ``/``.
        where: the root, for messages.
        folders: the paths of all folders, to find the class folders without an image.

    Raises:
        DataError: there are no images in class folders, or the names of classes or files collide.
    """
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
        elif path.suffix.lower() not in EXTENSIONS and path.name.lower() not in EXTENSIONS:
            ignored.append((text, Notice.of("suffix_unknown")))
        else:
            images.append(path)
    root = _common_root([path.parent for path in images])
    inside = [path for path in images if path.parent != root]
    ignored += [(str(path), Notice.of("outside_class_folders")) for path in images if path.parent == root]
    if not inside:
        raise DataError(_nothing_found(where, bool(images), ignored))
    tops = {path.relative_to(root).parts[0] for path in inside}
    split = all(split_named(top) for top in tops) and all(len(path.relative_to(root).parts) >= 3 for path in inside)
    found = [(str(path), _record(path, root, split)) for path in inside]
    found.sort(key=lambda pair: pair[1].name)
    check_classes((record.label for _, record in found), where)
    for (one, record), (other, following) in pairwise(found):
        if record.name == following.name:
            raise DataError(
                f"{where}: the files {one!a} and {other!a} differ only in accent encoding; rename one of them"
            )
    return Listing(found, sorted(ignored, key=lambda pair: pair[0]), _empty(inside, folders))


def _empty(images: list[PurePosixPath], folders: Iterable[str]) -> list[str]:
    """Folders beside the class folders with no image in or below them; hidden ones are no classes."""
    holding = {folder for image in images for folder in image.parents}
    above = {image.parent.parent for image in images}
    beside = (PurePosixPath(folder) for folder in folders)
    return sorted(
        storable(unicodedata.normalize("NFC", folder.name))
        for folder in beside
        if folder.parent in above and folder not in holding and not folder.name.startswith((".", "__"))
    )


def _record(path: PurePosixPath, root: PurePosixPath, split: bool) -> Sample:
    inner = path.relative_to(root)
    return Sample(
        name=unicodedata.normalize("NFC", str(inner)),
        label=unicodedata.normalize("NFC", path.parent.name),
        split=split_named(inner.parts[0]) if split else None,
    )


def _common_root(folders: list[PurePosixPath]) -> PurePosixPath:
    """The deepest folder that holds every class folder: one image folder alone is a class, not the root."""
    distinct = sorted(set(folders))
    if not distinct:
        return PurePosixPath()
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


def _nothing_found(where: str, loose: bool, ignored: list[tuple[str, Notice]]) -> str:
    if loose:
        return (
            f"{where}: the images lie in no class folders; put them into one folder a class, or list them with "
            "their labels in a CSV"
        )
    seen = f" (it holds {len(ignored)} other files, such as {ignored[0][0]!r})" if ignored else ""
    return f"{where}: no images found{seen}; a data set is a folder, or a zip of one, with a folder for each class"
