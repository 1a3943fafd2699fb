"""A zip of class folders, read where it lies: nothing is ever unpacked."""

from __future__ import annotations

import lzma
import stat
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.damage import DAMAGE
from bench.data.sources.base import MAX_FILE_BYTES, Source, SourceKind, path_of
from bench.data.sources.listing import list_images
from bench.data.sources.litter import is_litter
from bench.data.sources.stamp import Stamp
from bench.data.sources.zip_names import decoded_name, encoding_of_names, is_folder, is_guessed, plain_path
from bench.errors import DataError
from bench.results.dataset import DataCard
from bench.results.notice import Notice
from bench.results.stored import storable

if TYPE_CHECKING:
    from bench.study.dataset import DatasetSpec

__all__ = ["ZIP", "ZipReader", "open_zip"]

# An honest image hardly shrinks; a run of zeros shrinks about a thousandfold.
_BOMB_RATIO = 200
_BOMB_FLOOR = 8 * 2**20
_MAX_ENTRIES = 5_000_000
_LOCAL_HEADER = 30

_DAMAGED = (*DAMAGE, zipfile.BadZipFile, zipfile.LargeZipFile, lzma.LZMAError)
"""What zipfile and its decompressors raise on damaged members, headers and offsets."""

_READ_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_METHODS = {6: "implode", 9: "deflate64", 93: "zstandard", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES"}


class ZipReader:
    """Reads members of a zip by name; each process opens the zip for itself."""

    def __init__(self, path: str, members: dict[str, str]) -> None:
        self.path = path
        self.members = members
        """What the zip calls the member, by the image's name."""
        self._zip: zipfile.ZipFile | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "members": self.members, "_zip": None}

    def read(self, name: str) -> bytes:
        """Return the bytes of the member called ``name``."""
        if self._zip is None:
            self._zip = _open_archive(Path(self.path))
        try:
            member = self._zip.getinfo(self.members[name])
            if member.compress_type not in _READ_METHODS:
                raise _unknown_method(name, member.compress_type)
            with self._zip.open(member) as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except DataError:
            raise
        except _DAMAGED as error:
            reason = str(error) or type(error).__name__
            raise DataError(f"{name}: cannot be read from the zip: {reason}") from error
        if len(data) > MAX_FILE_BYTES:
            raise DataError(f"{name}: larger than {MAX_FILE_BYTES >> 20} MiB; refused")
        return data


def _unknown_method(name: str, method: int) -> DataError:
    from bench.data.decode import ImageError

    called = _METHODS.get(method, f"method {method}")
    return ImageError(
        f"{name}: compressed with {called}, which is not read; make the zip again with the method deflate",
        Notice.of("zip_method_unknown", method=called),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the zip by its plain path."""

    path: str
    info: zipfile.ZipInfo
    guessed: bool
    """Whether the encoding of its name had to be guessed."""


def open_zip(path: Path, layout: str | None = None, encoding: str | None = None) -> Source:
    """List the images of a zip of class folders.

    Args:
        path: the zip.
        layout: which level of folders is what, found where it is left out.
        encoding: of the names that the zip does not mark as UTF-8, see :mod:`bench.data.sources.zip_names`.

    Raises:
        DataError: there is no such file, it is no zip, is cut short or protected by a password, or it holds
            something that an honest data set does not: paths that lead out, links, archives, bombs. Or the folders in
            it could be read in several ways.
    """
    with _open_archive(path) as archive:
        everything = archive.infolist()
    if len(everything) > _MAX_ENTRIES:
        raise DataError(f"{path}: {len(everything):,} files in one zip; more than {_MAX_ENTRIES:,} are refused")
    files, folders = _entries(everything, path, encoding)
    _check(files, path)
    members = {entry.path: entry.info.filename for entry in files}
    listing = list_images(members, str(path), folders, layout)
    stamp = Stamp()
    stamp.add_file("", path.stat())  # the directory alone does not distinguish a damaged zip from its repaired copy
    for entry in files:
        stamp.add(entry.path, entry.info.file_size, entry.info.CRC)
    guessed = [entry.path for entry in files if entry.guessed]
    unknown = (Notice.of("zip_names_guessed", count=len(guessed), name=storable(guessed[0])),) if guessed else ()
    return Source(
        records=tuple(record for _, record in listing.images),
        reader=ZipReader(str(path.resolve()), {record.name: members[inner] for inner, record in listing.images}),
        card=DataCard(name=path.stem, source="zip", path=str(path), layout=listing.layout, unknown=unknown),
        stamp=stamp.value(),
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
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: the name {error.object!r} in it is marked as UTF-8 and is not; make the zip again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _DAMAGED as error:
        raise DataError(
            f"{path}: no zip, or one that is cut short or damaged ({error}); download or copy it again"
        ) from error


def _entries(infos: list[zipfile.ZipInfo], path: Path, given: str | None) -> tuple[list[_Entry], list[str]]:
    """The files by their plain paths, and the paths of the folders."""
    files: dict[str, _Entry] = {}
    folders: set[str] = set()
    encoding = encoding_of_names(infos, given)
    for info in infos:
        name = decoded_name(info, encoding)
        plain = plain_path(name)
        if plain is None:
            raise DataError(
                f"{path}: the path {name!r} leads out of the zip; refused. Make the zip again with relative paths"
            )
        if is_folder(name, info):
            folders.add(plain)
            continue
        if (
            first := files.setdefault(plain, _Entry(plain, info, given is None and is_guessed(info, encoding)))
        ).info is not info:
            both = (
                f" (as {first.info.filename!r} and {info.filename!r})" if first.info.filename != info.filename else ""
            )
            raise DataError(f"{path}: holds {plain!r} twice{both}; make the zip again from the folder")
    return list(files.values()), sorted(folders - {""})


def _check(files: list[_Entry], path: Path) -> None:
    for entry in files:
        _check_kind(entry, path)
        _check_content(entry.info, path)
    # Members that share their bytes are how the densest zip bombs are built.
    ordered = sorted((entry.info for entry in files), key=lambda info: info.header_offset)
    for info, following in pairwise(ordered):
        if info.header_offset + _LOCAL_HEADER + info.compress_size > following.header_offset:
            raise DataError(f"{path}: its members overlap ({info.filename!r}), as in a zip bomb; refused")


def _check_kind(entry: _Entry, path: Path) -> None:
    if stat.S_ISLNK(entry.info.external_attr >> 16):
        raise DataError(f"{path}: {entry.path!r} is a symbolic link; refused. Put the file itself into the zip")
    if entry.path.lower().endswith(".zip") and not is_litter(entry.path):
        raise DataError(
            f"{path}: holds another zip ({entry.path!r}); unpack it first, or give the inner one as the data set"
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
    return open_zip(path_of(spec), spec.layout, spec.zip_encoding)


ZIP = SourceKind(
    help="A zip of class folders, read where it lies.",
    open=_open,
    suffixes=(".zip",),
    takes=("layout", "zip_encoding"),
    dropped_by_data=("source",),
)
