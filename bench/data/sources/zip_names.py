"""What the entries of a zip are called: the encoding that the zip states, then one plain path for every name."""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib

from bench.errors import DataError

__all__ = ["decoded_name", "is_folder", "plain_path"]

_SAYS_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_DOS_FOLDER = 0x10


def decoded_name(info: zipfile.ZipInfo, encoding: str | None) -> tuple[str, bool]:
    """Return an entry's name, and whether its encoding had to be guessed.

    What the zip states counts (its flag for UTF-8, Info-ZIP's field for a name in Unicode); then ``encoding``; then
    UTF-8, where the name is valid in it; then code page 437, as the format's first version has it.

    Raises:
        DataError: the name is not valid in ``encoding``.
    """
    if info.flag_bits & _SAYS_UTF8:
        return info.orig_filename, False
    raw = info.orig_filename.encode("cp437")
    stated = _unicode_path(info.extra, raw)
    if stated is not None:
        return stated, False
    if raw.isascii():
        return raw.decode("ascii"), False
    if encoding is not None:
        try:
            return raw.decode(encoding), False
        except UnicodeDecodeError as error:
            raise DataError(
                f"dataset.zip_encoding {encoding!r}: the zip's name {raw!r} is not valid in it; name another encoding"
            ) from error
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return info.orig_filename, True


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
    return name.endswith(("/", "\\")) or (bool(info.external_attr & _DOS_FOLDER) and not info.file_size)


def plain_path(name: str) -> str | None:
    """Return a path with single slashes, without ``.`` and ``..`` (empty: the root); None where it leads out."""
    path = name.partition("\0")[0].replace("\\", "/")
    if path.startswith("/") or re.match(r"^[A-Za-z]:", path):
        return None
    plain = posixpath.normpath(path)
    if plain in ("", "."):
        return ""
    return None if plain == ".." or plain.startswith("../") else plain
