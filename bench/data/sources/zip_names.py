"""What the entries of a zip are called: the encoding that the zip states, then one plain path for every name."""

from __future__ import annotations

import posixpath
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable

from bench.errors import DataError

__all__ = ["UNKNOWN", "decoded_name", "encoding_of_names", "is_folder", "is_guessed", "plain_path"]

UNKNOWN = "cp437"
"""What names are read with where nothing tells their encoding: code page 437, as the format's first version has it."""

_SAYS_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_DOS_FOLDER = 0x10


def encoding_of_names(infos: Iterable[zipfile.ZipInfo], given: str | None) -> str:
    """Return the encoding of the names of which the zip states none, the same for all of them.

    That is ``given``; else UTF-8, where all these names are valid in it; else `UNKNOWN`.
    """
    unmarked = (_raw(info) for info in infos if _stated(info) is None)
    return given or ("utf-8" if all(map(_is_utf8, unmarked)) else UNKNOWN)


def decoded_name(info: zipfile.ZipInfo, encoding: str) -> str:
    """Return an entry's name: what the zip states (its flag for UTF-8, Info-ZIP's field), else by ``encoding``.

    Raises:
        DataError: the name is not valid in ``encoding``.
    """
    stated = _stated(info)
    if stated is not None:
        return stated
    try:
        return _raw(info).decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"dataset.zip_encoding {encoding!r}: the zip's name {_raw(info)!r} is not valid in it; name another"
        ) from error


def is_guessed(info: zipfile.ZipInfo, encoding: str) -> bool:
    """Whether an entry's name may read otherwise, for want of any statement about its encoding."""
    return encoding == UNKNOWN and _stated(info) is None


def _stated(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & _SAYS_UTF8:
        return info.orig_filename
    raw = _raw(info)
    return _unicode_path(info.extra, raw) or (raw.decode("ascii") if raw.isascii() else None)


def _raw(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("cp437")  # which zipfile decodes all names with that are not marked


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in Info-ZIP's extra field, where there is one and it belongs to this very name."""
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        field = extra[place + 4 : place + 4 + size]
        if kind == _UNICODE_PATH and len(field) == size and size > 5:
            version, checksum = struct.unpack_from("<BL", field)
            if version == 1 and checksum == zlib.crc32(raw):
                try:
                    return field[5:].decode("utf-8")
                except UnicodeDecodeError:
                    return None
        place += 4 + size
    return None


def is_folder(name: str, info: zipfile.ZipInfo) -> bool:
    """Whether an entry is a folder: its name says so, with whichever slash, or its attributes do."""
    by_attributes = bool(info.external_attr & _DOS_FOLDER) or stat.S_ISDIR(info.external_attr >> 16)
    return name.endswith(("/", "\\")) or (by_attributes and not info.file_size)


def plain_path(name: str) -> str | None:
    """Return a path with single slashes, without ``.`` and ``..`` (empty: the root); None where it leads out."""
    path = name.partition("\0")[0].replace("\\", "/")
    if path.startswith("/") or re.match(r"^[A-Za-z]:", path):
        return None
    plain = posixpath.normpath(path)
    if plain in ("", "."):
        return ""
    return None if plain == ".." or plain.startswith("../") else plain
