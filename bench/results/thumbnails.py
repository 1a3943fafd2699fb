"""A run's thumbnails.parquet: small copies of the test images, as its writer and its readers share them."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.results.arrow import prepare_arrow
from bench.results.files import read_regular, write_atomic
from bench.results.read import damaged

__all__ = ["read_thumbnails", "write_thumbnails"]

_NAME = "name"
_LABEL = "label"
_JPEG = "jpeg"
_LARGEST_IMAGE = 2**15
"""Bytes of one image and its names on average; a small JPEG has a tenth of them."""
_AGAIN = "Delete it: a report does without the images, and running the study again into that folder makes them anew."


def write_thumbnails(path: Path, names: Sequence[str], labels: Sequence[str], jpegs: Sequence[bytes]) -> None:
    """Store the JPEG of each image with its name and the name of its class. Raises `RunError` when it cannot."""
    prepare_arrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({_NAME: list(names), _LABEL: list(labels), _JPEG: pa.array(jpegs, pa.binary())})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none")
    write_atomic(path, sink.getvalue().to_pybytes())


def read_thumbnails(path: Path, images: int) -> dict[str, bytes]:
    """Return the JPEG of each image by its name; empty where there is no such file.

    images: how many there are at most. Raises `RunError` for a damaged file, and for more than they can take.
    """
    if not os.path.lexists(path):
        return {}
    prepare_arrow()
    import pyarrow as pa

    try:
        return _read(path, images)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise damaged(path, str(error), _AGAIN) from error


def _read(path: Path, images: int) -> dict[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    largest = (images + 32) * _LARGEST_IMAGE
    file = pq.ParquetFile(io.BytesIO(read_regular(path, largest)), read_dictionary=[_NAME, _JPEG])
    if file.metadata.num_rows > images:
        raise ValueError(f"{file.metadata.num_rows:,} rows for {images:,} test images")
    fields = {field.name: field.type for field in file.schema_arrow}
    if not all(pa.types.is_dictionary(fields.get(name, pa.null())) for name in (_NAME, _JPEG)):
        raise ValueError(f"it has no columns {_NAME} and {_JPEG} of texts and bytes")
    table = file.read(columns=[_NAME, _JPEG], use_threads=False)  # see `prepare_arrow`
    if any(column.null_count for column in table.columns):
        raise ValueError("a value is missing")
    for column in table.columns:
        if _unfolded(column) > largest:
            raise ValueError("its values take more room than small images do")
    names, jpegs = table[_NAME].cast(pa.string()), table[_JPEG].cast(pa.binary())
    return dict(zip(names.to_pylist(), jpegs.to_pylist(), strict=True))


def _unfolded(column: Any) -> int:
    """Bytes of a column's values once each stands for itself, and not for a place in a dictionary."""
    import pyarrow.compute as pc

    parts = (part for part in column.chunks if len(part))
    return sum(pc.sum(pc.binary_length(part.dictionary).take(part.indices)).as_py() or 0 for part in parts)
