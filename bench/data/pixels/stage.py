"""The array of a pixel cache while it is being filled: under a name of its own, on room that is taken beforehand."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from bench.data.audit.scan import Stage
from bench.data.cache_dir import no_room
from bench.data.leftovers import own_file, remove_left_files
from bench.errors import DataError
from bench.results.files import reserve

__all__ = ["compact", "new_stage", "remove_left_stages"]

_NAME = ("stage-", ".npy")


def remove_left_stages(folder: Path) -> None:
    """Remove arrays that killed processes left half filled."""
    remove_left_files(folder, *_NAME)


@contextmanager
def new_stage(folder: Path, rows: int, size: int, how: str) -> Iterator[Stage]:
    """Reserve an array of ``rows`` images on the disk, to be filled and then published; else it is removed in the end.

    Raises:
        DataError: the folder cannot be written, or the disk has no room for it.
    """
    header = _header(rows, size)
    need = len(header) + rows * size * size * 3
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_left_stages(folder)
            path, handle = stack.enter_context(own_file(folder, *_NAME))
        except OSError as error:
            raise no_room(folder, error) from error
        try:
            os.write(handle, header)
            reserve(handle, need)
        except OSError as error:
            raise no_room(folder, error, need) from error
        yield Stage(path, len(header), size, "crop" if how == "crop" else "squash")


def _header(rows: int, size: int) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (rows, size, size, 3)})
    return out.getvalue()


def compact(stage: Stage, rows: int, keep: Sequence[int]) -> None:
    """Move the rows ``keep`` (ascending) of ``rows`` to the front of the staged array, and cut the rest off.

    Raises:
        DataError: it cannot be written.
    """
    if list(keep) == list(range(rows)):
        return
    header = _header(len(keep), stage.size)
    if len(header) != stage.offset:
        raise DataError(f"{stage.path}: the header of the pixel cache changed its length; please report this")
    row_bytes = stage.size * stage.size * 3
    try:
        with stage.path.open("r+b", buffering=0) as file:  # a mapping would end the process where the disk is full
            for place, row in enumerate(keep):
                if place != row:
                    file.seek(stage.offset + row * row_bytes)
                    pixels = file.read(row_bytes)
                    file.seek(stage.offset + place * row_bytes)
                    file.write(pixels)
            file.seek(0)
            file.write(header)
            file.truncate(stage.offset + len(keep) * row_bytes)
    except OSError as error:
        raise no_room(stage.path.parent, error) from error
