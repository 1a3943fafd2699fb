"""Random changes to what a run stores in tables and folders: parquet and .npy files that stay such, names of cells."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["change_array", "change_cells", "change_table"]

_NAMES = ("x", "\x1b[2J", "a\nb", "\u202e", "x" * 200, ".hidden", "...", "%s{0}", "Q00000Q", "\udcff", "é", "{{ 1 }}")
_NUMBERS = (float("nan"), float("inf"), -1.0, 0.0, 1e-45, 1.0, 1e30)


def change_table(path: Path, rng: random.Random) -> None:
    """A parquet file with another column, type, value or number of rows. Raises ValueError for what is no such file."""
    table = pq.read_table(path)
    if not table.num_rows:
        raise ValueError("an empty table")
    at = rng.randrange(table.num_columns)
    name, values = table.column_names[at], table.column(at).to_pylist()
    how = rng.randrange(9)
    if how == 0:
        table = table.remove_column(at)
    elif how == 1:
        table = table.append_column(rng.choice((name, "p_x", *_NAMES[:4])), table.column(at))
    elif how == 2:
        table = table.slice(0, rng.randrange(table.num_rows + 1))
    elif how == 3:
        table = pa.concat_tables([table] * rng.choice((2, 300)))
    elif how == 4:
        table = table.take(pa.array(rng.sample(range(table.num_rows), table.num_rows)))
    else:
        values = _odd_column(values, how, rng)
        table = table.set_column(at, name, pa.chunked_array([values]))
    pq.write_table(table, path, compression=rng.choice(("zstd", "none", "snappy")), row_group_size=rng.choice((7, 999)))


def _odd_column(values: list[Any], how: int, rng: random.Random) -> pa.Array:
    if how == 5:
        return rng.choice((
            pa.nulls(len(values)), pa.array([[1.0]] * len(values)), pa.array([{"k": "v"}] * len(values)),
            pa.array([True] * len(values)), pa.array([b"\xff"] * len(values)), pa.array([2**62] * len(values)),
        ))  # fmt: skip
    if how == 6 and isinstance(values[0], str):
        return pa.array(["x" * 10**6] * len(values))
    place = rng.randrange(len(values))
    if isinstance(values[place], float):
        values[place] = rng.choice(_NUMBERS)
        return pa.array(values, rng.choice((pa.float32(), pa.float64(), pa.float16())), safe=False)
    if isinstance(values[place], int):
        values[place] = rng.choice((-1, 2**31 - 1, 1))
        return pa.array(values, rng.choice((pa.int32(), pa.int64())))
    values[place] = None if how == 7 else values[0]
    return pa.array(values)


def change_array(path: Path, rng: random.Random) -> None:
    """A .npy file of the same shape with an odd number in it, of another type or of other rows."""
    array = np.load(path)
    if not array.size:
        raise ValueError("an empty array")
    how = rng.randrange(4)
    if how == 0:
        array = array.astype(rng.choice(("<f2", "<f8", ">f4")))
    elif how == 1:
        array = array[: rng.randrange(len(array) + 1)]
    elif how == 2:
        array = np.asfortranarray(array)
    else:
        array.flat[rng.randrange(array.size)] = rng.choice(_NUMBERS)
    np.save(path, array)


def change_cells(run: Path, rng: random.Random) -> None:
    """The folder of a cell under another name, twice, or as something else."""
    cells = sorted(path for path in (run / "cells").iterdir() if path.is_dir() and not path.is_symlink())
    cell, other = rng.choice(cells), run / "cells" / rng.choice(_NAMES)
    if os.path.lexists(other):
        return
    how = rng.randrange(6)
    if how == 0:
        cell.rename(other)
    elif how == 1:
        shutil.copytree(cell, other, symlinks=True, ignore=_special)
    elif how == 2:
        other.mkdir()
    elif how == 3:
        other.write_bytes(b"x")
    elif how == 4:
        cell.rename(run / "moved")
        cell.symlink_to(rng.choice(("../moved", ".", "/dev")))
    else:
        shutil.rmtree(cell)


def _special(folder: str, names: list[str]) -> list[str]:
    """What cannot be copied: an earlier change may have put a pipe there."""
    return [name for name in names if not os.path.isfile(os.path.join(folder, name))]  # noqa: PTH113, PTH118
