"""Stored arrays, read with suspicion: what a file claims is held against its size before any memory is taken."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from bench.results.files import read_regular

if TYPE_CHECKING:
    import numpy as np

__all__ = ["read_array"]

_HEADER = 2**16


def read_array(path: Path, columns: int, most_rows: int) -> np.ndarray:
    """Return the floating-point array ``(rows, columns)`` of a .npy file, of ``most_rows`` rows at most.

    Raises ValueError for anything else, OSError for what is not a regular file, is larger or cannot be read.
    """
    import numpy as np

    content = read_regular(path, most_rows * columns * 8 + _HEADER)
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, in_columns, dtype = read_header(file)
    if dtype.kind != "f" or len(shape) != 2 or shape[1] != columns or not 0 <= shape[0] <= most_rows:
        raise ValueError(f"{dtype} {shape}, not rows of {columns} fractions, {most_rows} at most")
    if len(content) - file.tell() != shape[0] * columns * dtype.itemsize:
        raise ValueError(f"its header claims {shape}, which is not what the file holds")
    flat = np.frombuffer(content, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if in_columns else "C")
