"""The array of a pixel cache while it is being filled: under a name of its own, on room that is taken beforehand."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from bench.data.audit.scan import Stage
from bench.data.cache_dir import advice
from bench.errors import DataError
from bench.results.files import reserve

__all__ = ["compact", "new_stage"]

_STALE_SECONDS = 24 * 3600


def new_stage(folder: Path, rows: int, size: int, how: str) -> Stage:
    """Reserve an array of ``rows`` images on the disk, to be filled and then published.

    Raises:
        DataError: the folder cannot be written, or the disk has no room for it.
    """
    need = rows * size * size * 3
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        handle, name = tempfile.mkstemp(prefix="stage-", suffix=".npy", dir=folder)
    except OSError as error:
        raise DataError(
            f"{folder}: the pixel cache cannot be written here ({error.strerror or error}); {advice(folder)}"
        ) from error
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (rows, size, size, 3)}
            np.lib.format.write_array_header_1_0(file, header)
            offset = file.tell()
            reserve(file.fileno(), offset + need)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise DataError(
            f"{folder}: no room for the pixel cache, {need / 2**20:,.0f} MiB ({error.strerror or error}); free some, "
            "or set PATCHBENCH_CACHE to a folder on another disk"
        ) from error
    return Stage(path, offset, size, "crop" if how == "crop" else "squash")


def compact(stage: Path, keep: Sequence[int]) -> None:
    """Move the rows ``keep`` (ascending) to the front of the staged array, and cut the rest off."""
    array = np.load(stage, mmap_mode="r+")
    rows, size = array.shape[0], array.shape[1]
    if list(keep) == list(range(rows)):
        return
    for place, row in enumerate(keep):
        if place != row:
            array[place] = array[row]
    array.flush()
    offset = cast("int", array.offset)
    del array
    with stage.open("r+b") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(keep), size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != offset:
            raise DataError(f"{stage}: the header of the pixel cache changed its length; please report this")
        file.truncate(offset + len(keep) * size * size * 3)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind more than a day ago."""
    for old in folder.glob("stage-*"):
        try:
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                old.unlink()
        except OSError:
            continue  # another process swept it first
