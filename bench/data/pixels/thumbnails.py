"""Small copies of the test images, so that a report can show them when the data set is gone."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from bench.data.pixels.wide_samples import FULL
from bench.data.sources import open_source
from bench.data.sources.base import Reader
from bench.results.dataset import DatasetManifest
from bench.results.thumbnails import write_thumbnails
from bench.study.dataset import DatasetSpec

__all__ = ["make_thumbnails"]


def make_thumbnails(
    manifest: DatasetManifest, dataset: DatasetSpec, path: Path, side: int = 96, *, cache_dir: Path | None = None
) -> None:
    """Write a JPEG of every test image, at most ``side`` pixels wide and high, to the parquet file ``path``.

    Raises:
        DataError: an image cannot be read any more, or changed.
        RunError: the file cannot be written.
    """
    from bench.data.parallel import map_chunks, worker_count

    source = open_source(dataset, cache_dir=cache_dir)
    rows = manifest.rows("test")
    names = [manifest.names[row] for row in rows]
    workers = 1 if len(names) < 400 else worker_count()
    contents = dict(zip(manifest.names, manifest.contents, strict=False))  # an older manifest has none
    shrink = _Shrink(
        source.reader, side, manifest.audit.sample_bits or FULL, {name: contents.get(name) for name in names}
    )
    jpegs = [jpeg for part in map_chunks(shrink, names, chunk=32, workers=workers) for jpeg in part]
    write_thumbnails(path, names, [manifest.classes[manifest.labels[row]] for row in rows], jpegs)


class _Shrink:
    """Makes the JPEGs of some images."""

    def __init__(self, reader: Reader, side: int, bits: int, contents: dict[str, str | None]) -> None:
        self.reader, self.side, self.bits, self.contents = reader, side, bits, contents

    def __call__(self, names: list[str]) -> list[bytes]:
        return [self._shrink(name) for name in names]

    def _shrink(self, name: str) -> bytes:
        from PIL import Image

        from bench.data.audit.scan import data_changed
        from bench.data.decode import decode

        data = self.reader.read(name)
        if not hashlib.sha256(data).hexdigest().startswith(self.contents[name] or ""):
            raise data_changed(name)
        image = Image.fromarray(decode(data, name, self.bits))
        image.thumbnail((self.side, self.side))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=80)
        return out.getvalue()
