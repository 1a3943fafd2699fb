"""A run's thumbnails.parquet: small copies of the test images, as its writer and its readers share them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.errors import RunError
from bench.results.files import write_atomic

__all__ = ["read_thumbnails", "write_thumbnails"]

_NAME = "name"
_LABEL = "label"
_JPEG = "jpeg"


def write_thumbnails(path: Path, names: Sequence[str], labels: Sequence[str], jpegs: Sequence[bytes]) -> None:
    """Store the JPEG of each image with its name and the name of its class. Raises `RunError` when it cannot."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({_NAME: list(names), _LABEL: list(labels), _JPEG: pa.array(jpegs, pa.binary())})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none")
    write_atomic(path, sink.getvalue().to_pybytes())


def read_thumbnails(path: Path) -> dict[str, bytes]:
    """Return the JPEG of each image by its name; empty where there is no such file. `RunError` for a damaged one."""
    if not path.is_file():
        return {}
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=[_NAME, _JPEG])
        names, jpegs = table[_NAME].cast(pa.string()), table[_JPEG].cast(pa.binary())
    except (pa.ArrowException, KeyError, OSError) as error:
        raise RunError(
            f"{path} is damaged ({error}). Delete it: a report does without the images, and running the study "
            f"again into that folder makes them anew."
        ) from error
    return dict(zip(names.to_pylist(), jpegs.to_pylist(), strict=True))
