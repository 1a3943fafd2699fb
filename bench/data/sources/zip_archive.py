"""A zip of class folders, read where it lies: nothing is ever unpacked."""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bench.data.sources.base import MAX_FILE_BYTES, Source, SourceKind, is_litter, path_of
from bench.data.sources.class_folders import label_by_folder
from bench.errors import DataError
from bench.results.dataset import DataCard

if TYPE_CHECKING:
    from bench.study.dataset import DatasetSpec

__all__ = ["ZIP", "ZipReader", "open_zip"]

# An honest image hardly shrinks; a run of zeros shrinks about a thousandfold.
_BOMB_RATIO = 200
_BOMB_FLOOR = 8 * 2**20
_MAX_ENTRIES = 5_000_000
_LOCAL_HEADER = 30


class ZipReader:
    """Reads members of a zip by name; each process opens the zip for itself."""

    def __init__(self, path: str, members: dict[str, str]) -> None:
        self.path = path
        self.members = members
        self._zip: zipfile.ZipFile | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "members": self.members, "_zip": None}

    def read(self, name: str) -> bytes:
        """Return the bytes of the member called ``name``."""
        if self._zip is None:
            self._zip = _open_archive(Path(self.path))
        try:
            with self._zip.open(self.members[name]) as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise DataError(f"{name}: cannot be read from the zip: {error}") from error
        if len(data) > MAX_FILE_BYTES:
            raise DataError(f"{name}: larger than {MAX_FILE_BYTES >> 20} MiB; refused")
        return data


def open_zip(path: Path) -> Source:
    """List the images of a zip of class folders.

    Raises:
        DataError: there is no such file, it is no zip, is cut short or protected by a password, or it holds
            something that an honest data set does not: paths that lead out, links, archives, bombs.
    """
    with _open_archive(path) as archive:
        everything = archive.infolist()
    infos = [info for info in everything if not info.is_dir()]
    folders = [info.filename.replace("\\", "/").rstrip("/") for info in everything if info.is_dir()]
    for info in everything:
        _check_name(info, path)
    _check(infos, path)
    members = {info.filename.replace("\\", "/"): info.filename for info in infos}
    listing = label_by_folder(members, str(path), folders)
    about = path.stat()  # the directory alone does not distinguish a damaged zip from its repaired copy
    digest = hashlib.sha256(f"{about.st_size}\0{about.st_mtime_ns}\n".encode())
    for info in infos:
        digest.update(f"{info.filename}\0{info.file_size}\0{info.CRC}\n".encode("utf-8", "surrogateescape"))
    return Source(
        records=tuple(record for _, record in listing.images),
        reader=ZipReader(str(path.resolve()), {record.name: members[inner] for inner, record in listing.images}),
        card=DataCard(name=path.stem, source="zip", path=str(path)),
        stamp=digest.hexdigest(),
        ignored=tuple(listing.ignored),
        empty=tuple(listing.empty),
    )


def _open_archive(path: Path) -> zipfile.ZipFile:
    if not path.exists():
        raise DataError(f"{path}: there is no such file; check the path given with --data or dataset.path")
    if path.is_dir():
        raise DataError(f"{path}: a folder, not a zip; use source: folder")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, ValueError) as error:
        raise DataError(
            f"{path}: no zip, or one that is cut short or damaged ({error}); download or copy it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check(infos: list[zipfile.ZipInfo], path: Path) -> None:
    if len(infos) > _MAX_ENTRIES:
        raise DataError(f"{path}: {len(infos):,} files in one zip; more than {_MAX_ENTRIES:,} are refused")
    names: set[str] = set()
    for info in infos:
        _check_content(info, path)
        name = info.filename.replace("\\", "/")
        if name in names:
            raise DataError(f"{path}: holds {name!r} twice; make the zip again from the folder")
        names.add(name)
    # Members that share their bytes are how the densest zip bombs are built.
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for info, following in pairwise(ordered):
        if info.header_offset + _LOCAL_HEADER + info.compress_size > following.header_offset:
            raise DataError(f"{path}: its members overlap ({info.filename!r}), as in a zip bomb; refused")


def _check_name(info: zipfile.ZipInfo, path: Path) -> None:
    inner = PurePosixPath(info.filename.replace("\\", "/"))
    if inner.is_absolute() or ".." in inner.parts or re.match(r"^[A-Za-z]:", info.filename):
        raise DataError(
            f"{path}: the path {info.filename!r} leads out of the zip; refused. Make the zip again with relative paths"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DataError(f"{path}: {info.filename!r} is a symbolic link; refused. Put the file itself into the zip")
    if inner.suffix.lower() == ".zip" and not is_litter(inner):
        raise DataError(
            f"{path}: holds another zip ({info.filename!r}); unpack it first, or give the inner one as the data set"
        )


def _check_content(info: zipfile.ZipInfo, path: Path) -> None:
    if info.flag_bits & 0x1:
        raise DataError(f"{path}: {info.filename!r} is protected by a password; make the zip again without one")
    if info.file_size > MAX_FILE_BYTES:
        raise DataError(
            f"{path}: {info.filename!r} claims {info.file_size >> 20:,} MiB; more than "
            f"{MAX_FILE_BYTES >> 20} MiB a file are refused"
        )
    if info.file_size > _BOMB_FLOOR and info.file_size > _BOMB_RATIO * max(1, info.compress_size):
        raise DataError(
            f"{path}: {info.filename!r} would swell from {info.compress_size:,} to {info.file_size:,} bytes, as "
            "a zip bomb does; refused"
        )


def _open(spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:  # noqa: ARG001
    return open_zip(path_of(spec))


ZIP = SourceKind(
    help="A zip of class folders, read where it lies.", open=_open, suffixes=(".zip",), dropped_by_data=("source",)
)
