"""What every source gives: records, a reader that travels to other processes, and a data card."""

from __future__ import annotations

import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from bench.errors import DataError
from bench.results.dataset import DataCard, Side

__all__ = ["MAX_FILE_BYTES", "Reader", "Sample", "Source", "check_classes", "check_path", "is_litter", "side_named"]


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


@dataclass(frozen=True, slots=True)
class Sample:
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

    records: tuple[Sample, ...]
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
