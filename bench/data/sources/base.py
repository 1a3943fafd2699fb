"""What every source gives: records, a reader that travels to other processes, and a data card."""

from __future__ import annotations

import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, field_validator

from bench.data.decode import EXTENSIONS
from bench.errors import DataError

__all__ = [
    "MAX_FILE_BYTES",
    "DataCard",
    "Listing",
    "Reader",
    "Record",
    "Side",
    "Source",
    "check_classes",
    "check_path",
    "is_litter",
    "label_by_folder",
    "side_named",
    "storable",
]

Side = Literal["train", "validation", "test"]

MAX_FILE_BYTES = 256 * 2**20
"""A single image file larger than this is refused."""

_SIDES: dict[str, Side] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


class Reader(Protocol):
    """Gives the bytes of an image by its name. It can be pickled; each process opens its own files."""

    def read(self, name: str) -> bytes:
        """Return the bytes of the image file, or raise :class:`~bench.errors.DataError`."""
        ...


class DataCard(BaseModel):
    """Where a data set comes from, and what is not known of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """What to call it."""
    source: str
    """The kind of source: folder, zip, pbc, ..."""
    path: str | None = None
    """The file or folder that was read, as it was given."""
    licence: str | None = None
    """The licence, where it is known."""
    citation: str | None = None
    """Whom to cite."""
    url: str | None = None
    """Where it can be found."""
    synthetic: bool = False
    """Whether the images are drawn and not photographed."""
    unknown: tuple[str, ...] = ()
    """What is not known of the set and would matter."""

    @field_validator("name", "path", mode="before")
    @classmethod
    def _storable(cls, value: object) -> object:
        return storable(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Record:
    """One image: the name that identifies it, and its label."""

    name: str
    """Unique in the source; a path with ``/``, the same for a folder and for a zip of it."""
    label: str
    """The name of the class; empty where it could not be told."""
    side: Side | None = None
    """The side of the official split, where the source brings one."""
    group: str | None = None
    """The group that must not be divided, where the source names one."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that was opened and listed, but not read."""

    records: tuple[Record, ...]
    """Every image, ordered by name."""
    reader: Reader
    """Reads them."""
    card: DataCard
    """Where they come from."""
    stamp: str | None = None
    """A cheap identity of the source's bytes (sizes, times, checksums); None where there is none."""
    ignored: tuple[tuple[str, str], ...] = field(default=())
    """Files that are not taken for images: name and reason."""
    empty: tuple[str, ...] = ()
    """Class folders without any image."""

    def read(self, name: str) -> bytes:
        """Return the bytes of the image called ``name``."""
        return self.reader.read(name)


def storable(name: str) -> str:
    """Return a file's name as text that JSON takes: bytes that are no UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_litter(path: PurePosixPath) -> bool:
    """Tell whether ``path`` is what operating systems leave behind, of which nobody wants to hear."""
    name = path.name
    return (
        "__MACOSX" in path.parts
        or name.startswith("._")
        or name.lower() in {".ds_store", "thumbs.db", "desktop.ini", ".gitkeep", ".gitignore"}
    )


def side_named(word: str) -> Side | None:
    """Return the side of a split that ``word`` names (``val`` is ``validation``), or None."""
    return _SIDES.get(word.strip().lower())


def check_path(path: Path) -> None:
    """Raise a DataError where nothing could be read, or where reading would never end; what is not there may pass."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return  # each kind of source has a better message
    except (OSError, ValueError) as error:  # too long a name, a loop of links, no right to look
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path}: neither a file nor a folder but a pipe or device; give a file or folder")


def check_classes(labels: Iterable[str], where: str) -> list[str]:
    """Return the distinct labels, sorted.

    Raises:
        DataError: two labels differ only in case, or in how an accent is encoded.
    """
    classes = sorted(set(labels) - {""})
    seen: dict[str, str] = {}
    for label in classes:
        other = seen.setdefault(unicodedata.normalize("NFKC", label).casefold().strip(), label)
        if other != label:
            raise DataError(
                f"{where}: the classes {other!r} and {label!r} differ only in capitals, spaces or accent encoding; "
                "rename or merge them"
            )
    return classes


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a folder or zip, labelled by the folders that they lie in."""

    images: list[tuple[str, Record]]
    """Path below the root and record of each, ordered by name."""
    aside: list[tuple[str, str]]
    """Files that were left aside: path and reason."""
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
    aside: list[tuple[str, str]] = []
    for text in paths:
        path = PurePosixPath(text)
        if is_litter(path):
            continue
        if not _is_text(text):
            aside.append((storable(text), "its name is not valid UTF-8"))
        elif any(part.startswith(".") for part in path.parts[:-1]):
            aside.append((text, "it lies in a hidden folder"))
        elif path.suffix.lower() not in EXTENSIONS and path.name.lower() not in EXTENSIONS:
            aside.append((text, "its name does not end like an image's"))
        else:
            images.append(path)
    root = _common_root([path.parent for path in images])
    inside = [path for path in images if path.parent != root]
    aside += [(str(path), "it lies in no class folder") for path in images if path.parent == root]
    if not inside:
        raise DataError(_nothing_found(where, bool(images), aside))
    tops = {path.relative_to(root).parts[0] for path in inside}
    split = all(side_named(top) for top in tops) and all(len(path.relative_to(root).parts) >= 3 for path in inside)
    found = [(str(path), _record(path, root, split)) for path in inside]
    found.sort(key=lambda pair: pair[1].name)
    check_classes((record.label for _, record in found), where)
    for (one, record), (other, following) in pairwise(found):
        if record.name == following.name:
            raise DataError(
                f"{where}: the files {one!a} and {other!a} differ only in accent encoding; rename one of them"
            )
    return Listing(found, sorted(aside), _empty(inside, folders))


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


def _record(path: PurePosixPath, root: PurePosixPath, split: bool) -> Record:
    inner = path.relative_to(root)
    side = side_named(inner.parts[0]) if split else None
    return Record(
        name=unicodedata.normalize("NFC", str(inner)),
        label=unicodedata.normalize("NFC", path.parent.name),
        side=side,
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


def _nothing_found(where: str, loose: bool, aside: list[tuple[str, str]]) -> str:
    if loose:
        return (
            f"{where}: the images lie in no class folders; put them into one folder a class, or list them with "
            "their labels in a CSV"
        )
    seen = f" (it holds {len(aside)} other files, such as {aside[0][0]!r})" if aside else ""
    return f"{where}: no images found{seen}; a data set is a folder, or a zip of one, with a folder for each class"
