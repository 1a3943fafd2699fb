"""A folder of class folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.sources.base import MAX_FILE_BYTES, Source, SourceKind, path_of
from bench.data.sources.listing import list_images
from bench.data.sources.stamp import Stamp
from bench.errors import DataError
from bench.results.dataset import DataCard
from bench.results.notice import Notice
from bench.results.stored import storable

if TYPE_CHECKING:
    from bench.study.dataset import DatasetSpec

__all__ = ["FOLDER", "FolderReader", "open_folder", "read_file"]


@dataclass(frozen=True)
class FolderReader:
    """Reads files by name below a folder."""

    root: str
    paths: dict[str, str]
    """The path below the root of every name."""

    def read(self, name: str) -> bytes:
        """Return the bytes of the file called ``name``."""
        return read_file(Path(self.root) / self.paths[name], name)


def read_file(path: Path, name: str) -> bytes:
    """Return the bytes of ``path``, or raise a DataError that calls it ``name``."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"{name}: larger than {MAX_FILE_BYTES >> 20} MiB; refused")
    return data


def open_folder(path: Path, layout: str | None = None) -> Source:
    """List the images of a folder of class folders.

    Args:
        path: the folder.
        layout: which level of folders is what, found where it is left out.

    Raises:
        DataError: there is no such folder, it cannot be read, it holds no class folders with images, or its folders
            could be read in several ways.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such folder; check the path given with --data or dataset.path")
    if not path.is_dir():
        raise DataError(f"{path}: not a folder; a data set is a folder of class folders, a .zip, .csv or .npz")
    files: list[str] = []
    odd: list[tuple[str, Notice]] = []
    stamp = Stamp(path.resolve())
    folders: list[str] = []
    for relative, info, again in _walk(path):
        if again:
            odd.append((storable(relative), Notice.of("link_to_listed")))
            continue
        if info is not None and stat.S_ISDIR(info.st_mode):
            folders.append(relative)
            continue
        if info is None or not stat.S_ISREG(info.st_mode):
            odd.append((storable(relative), Notice.of("broken_link" if info is None else "not_regular_file")))
            continue
        files.append(relative)
        stamp.add_file(relative, info)
    listing = list_images(files, str(path), folders, layout)
    return Source(
        records=tuple(record for _, record in listing.images),
        reader=FolderReader(str(path.resolve()), {record.name: inner for inner, record in listing.images}),
        card=DataCard(name=path.resolve().name, source="folder", path=str(path), layout=listing.layout),
        stamp=stamp.value(),
        ignored=tuple(listing.ignored + odd),
        empty=tuple(listing.empty),
    )


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result | None, bool]]:
    """Yield every file and folder below ``root`` in a fixed order; follow links, but enter no folder twice.

    The last of the three is whether it is a folder that was entered before.
    """
    entered: set[tuple[int, int]] = set()

    def failed(error: OSError) -> None:
        raise DataError(f"{error.filename}: the folder cannot be read: {error.strerror}") from error

    for here, folders, names in os.walk(root, onerror=failed, followlinks=True):
        info = Path(here).stat()
        below = "" if Path(here) == root else Path(here).relative_to(root).as_posix() + "/"
        if (info.st_dev, info.st_ino) in entered:
            folders.clear()
            yield below.rstrip("/"), info, True
            continue
        entered.add((info.st_dev, info.st_ino))
        folders.sort()
        if below:
            yield below.rstrip("/"), info, False
        for name in sorted(names):
            try:
                found: os.stat_result | None = os.stat(os.path.join(here, name))  # noqa: PTH116, PTH118 (twice as fast)
            except OSError:
                found = None
            yield below + name, found, False


def _open(spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:  # noqa: ARG001
    return open_folder(path_of(spec), spec.layout)


FOLDER = SourceKind(
    help="A folder of class folders.",
    open=_open,
    takes=("layout", "zip_encoding"),  # the study of a zip runs on the unpacked folder too
    dropped_by_data=("source",),
)
