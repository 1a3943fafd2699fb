"""What a kind of source is, and what opening one gives: records, a reader for other processes, and a data card."""

from __future__ import annotations

import stat
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.errors import DataError

if TYPE_CHECKING:
    from bench.results.dataset import DataCard, Split
    from bench.results.notice import Notice
    from bench.study.dataset import DatasetSpec

__all__ = [
    "MAX_FILE_BYTES",
    "OpenSource",
    "Reader",
    "Sample",
    "Source",
    "SourceKind",
    "check_classes",
    "check_path",
    "path_of",
]

MAX_FILE_BYTES = 256 * 2**20
"""A single image file larger than this is refused."""


class Reader(Protocol):
    """Gives the bytes of an image by its name. It can be pickled; each process opens its own files."""

    def read(self, name: str) -> bytes:
        """Return the bytes of the image file, or raise :class:`~bench.errors.DataError`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image: the name that identifies it, and its label."""

    name: str
    """Unique in the source; a path with ``/``, the same for a folder and for a zip of it."""
    label: str
    """The name of the class; empty where it is not known."""
    split: Split | None = None
    """Where the official split has it, if the source brings one."""
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
    ignored: tuple[tuple[str, Notice], ...] = ()
    """Files that are not taken for images: name and reason."""
    empty: tuple[str, ...] = ()
    """Class folders without any image."""

    def read(self, name: str) -> bytes:
        """Return the bytes of the image called ``name``."""
        return self.reader.read(name)


class OpenSource(Protocol):
    """Lists the images of a data set; none is read yet."""

    def __call__(self, spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:
        """Return what was listed; arguments and errors are those of :func:`bench.data.sources.open_source`."""


def _accept(spec: DatasetSpec) -> None:
    """Whatever a study gives is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """One kind of source: how it is opened, and what a study may give for it.

    Its module is imported when a study is read. Import numpy, image libraries and the like inside ``open``.
    """

    help: str
    """One line for ``patchbench list sources``."""
    open: OpenSource
    check: Callable[[DatasetSpec], None] = _accept
    """Raises a ValueError ``key: what is wrong`` for what a study of this kind cannot have."""
    suffixes: tuple[str, ...] = ()
    """A path that ends like this, in lower case, is of this kind where the study names none."""
    chooses_classes: bool = False
    """Whether ``classes`` chooses how the images are labeled, and is not a number of classes to be checked."""
    takes: tuple[str, ...] = ()
    """Those of ``labels``, ``layout`` and ``zip_encoding`` that a study may give for it."""
    dropped_by_data: tuple[str, ...] = ()
    """Keys of the study's data set that ``--data PATH`` drops, so that the kind is guessed from that path."""


def path_of(spec: DatasetSpec, hint: str = "") -> Path:
    """Return the path of a data set that is read from one; a DataError with ``hint`` where the study gives none."""
    if spec.path is None:
        raise DataError(f"The data set ({spec.kind}) has no path: give --data PATH, or dataset.path in the study{hint}")
    return spec.path.expanduser()


def check_path(path: Path) -> None:
    """Raise a DataError where nothing could be read, or where reading would never end; what is not there may pass."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return  # each kind of source has a better message
    except (OSError, ValueError) as error:  # too long a name, a loop of links, no right to read
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path}: neither a file nor a folder but a pipe or device; give a file or folder")


def check_classes(labels: Iterable[str], where: str) -> list[str]:
    """Return the distinct labels, sorted.

    Raises:
        DataError: two labels differ only in case, in spaces, in how an accent is encoded, or in invisible characters.
    """
    classes = sorted(set(labels) - {""})
    seen: dict[str, str] = {}
    for label in classes:
        other = seen.setdefault(_as_read(label), label)
        if other != label:
            raise DataError(
                f"{where}: the classes {other!r} and {label!r} differ only in capitals, spaces, accent encoding or "
                "characters that nobody sees; "
                "rename or merge them"
            )
    return classes


def _as_read(label: str) -> str:
    """A label as a person takes it: without characters that nobody sees, such as a zero-width space."""
    seen = "".join(char for char in label if char.isascii() or unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().split())
