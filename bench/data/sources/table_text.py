"""The text of a CSV, whole and checked, before it is taken apart."""

from __future__ import annotations

from pathlib import Path

from bench.errors import DataError
from bench.results.files import read_regular

__all__ = ["read_table_text", "wrong_separator"]

_LARGEST_FILE = 512 * 2**20
"""Some five million images; a larger file is another one, and reading it would only fill the memory."""


def read_table_text(path: Path, kind: str, missing: str) -> str:
    """Return the text of a CSV.

    Args:
        path: the file.
        kind: what to call it.
        missing: what to say where there is none.

    Raises:
        DataError: it is not there, is no regular file, is too large, or is no UTF-8 text.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise DataError(
                f"{path}: {size / 2**20:,.0f} MiB, and a {kind} has {_LARGEST_FILE >> 20} MiB at most; it needs a line "
                "for each image, and few columns"
            )
        content = read_regular(path, _LARGEST_FILE)
    except FileNotFoundError as error:
        raise DataError(f"{path}: {missing}") from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror or error}; give a CSV with a line an image"
        ) from error
    if b"\0" in content:
        raise DataError(
            f"{path}: not a readable CSV: it holds null characters, as UTF-16 text or another kind of file does; save "
            "the table as CSV with UTF-8 encoding"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text; save the table as CSV with UTF-8 encoding") from error


def wrong_separator(columns: list[str]) -> str:
    """Say what separates the columns in place of commas; empty where nothing seems to."""
    names = {"\t": "tabs", ";": "semicolons", "|": "bars"}
    used = [name for mark, name in names.items() if len(columns) == 1 and mark in columns[0]]
    return f" The file separates its columns with {used[0]}; save it with commas." if used else ""
