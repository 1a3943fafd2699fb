"""Stored arrays, read with suspicion: what a file claims is held against its size before any memory is taken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.results.files import open_regular

if TYPE_CHECKING:
    import numpy as np

__all__ = ["read_array"]


def read_array(path: Path, columns: int, most_rows: int) -> np.ndarray:
    """Return the floating-point array ``(rows, columns)`` of a .npy file, of ``most_rows`` rows at most.

    Raises ValueError for anything else, OSError for what is not a regular file or cannot be read.
    """
    import numpy as np

    with open_regular(path) as file:
        if (version := np.lib.format.read_magic(file)) != (1, 0):
            raise ValueError(f"version {version} of the format")
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.kind != "f" or len(shape) != 2 or shape[1] != columns or not 0 <= shape[0] <= most_rows:
            raise ValueError(f"{dtype} {shape}, not rows of {columns} fractions, {most_rows} at most")
        size = shape[0] * columns * dtype.itemsize
        if os.fstat(file.fileno()).st_size - file.tell() != size:
            raise ValueError(f"its header claims {shape}, which is not what the file holds")
        flat = np.frombuffer(file.read(size), dtype)
    return flat.reshape(shape, order="F" if in_columns else "C")
