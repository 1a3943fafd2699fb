"""Small copies of the test images, so that a report can show them when the data set is gone.

A parquet file with the columns ``name``, ``label`` (the class's name) and ``jpeg`` (the bytes of the picture).
"""

from __future__ import annotations

import io
from pathlib import Path

from bench.data.sources import open_source
from bench.data.sources.base import Reader
from bench.errors import RunError
from bench.results.dataset import DatasetManifest
from bench.results.files import atomic_path
from bench.study.dataset import DatasetSpec

__all__ = ["read_thumbnails", "write_thumbnails"]


def write_thumbnails(
    manifest: DatasetManifest, dataset: DatasetSpec, path: Path, side: int = 96, *, cache_dir: Path | None = None
) -> None:
    """Write a JPEG of every test image, at most ``side`` pixels wide and high, to the parquet file ``path``.

    Raises:
        DataError: an image cannot be read any more.
        RunError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.data.parallel import map_chunks, worker_count

    source = open_source(dataset, cache_dir=cache_dir)
    rows = manifest.rows("test")
    names = [manifest.names[row] for row in rows]
    workers = 1 if len(names) < 400 else worker_count()
    pictures = [
        jpeg for part in map_chunks(_Shrink(source.reader, side), names, chunk=32, workers=workers) for jpeg in part
    ]
    table = pa.table(
        {
            "name": names,
            "label": [manifest.classes[manifest.labels[row]] for row in rows],
            "jpeg": pa.array(pictures, pa.binary()),
        }
    )
    try:
        with atomic_path(path) as part:
            pq.write_table(table, part, compression="none")
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_thumbnails(path: Path) -> dict[str, tuple[str, bytes]]:
    """Return label and JPEG bytes of every image by its name.

    Raises:
        RunError: the file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["name", "label", "jpeg"])
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path}: the pictures of the test images cannot be read: {error}") from error
    columns = [table.column(name).to_pylist() for name in ("name", "label", "jpeg")]
    return {name: (label, jpeg) for name, label, jpeg in zip(*columns, strict=True)}


class _Shrink:
    """Makes the JPEGs of some images."""

    def __init__(self, reader: Reader, side: int) -> None:
        self.reader, self.side = reader, side

    def __call__(self, names: list[str]) -> list[bytes]:
        return [self._shrink(name) for name in names]

    def _shrink(self, name: str) -> bytes:
        from PIL import Image

        from bench.data.decode import decode

        picture = Image.fromarray(decode(self.reader.read(name), name))
        picture.thumbnail((self.side, self.side))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=80)
        return out.getvalue()
