"""One pass over every image: hashes, size and mode, and from the same decoding its row of the pixel cache."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from bench.data.cache_dir import no_room
from bench.data.decode import decode_full, shrink
from bench.data.image_error import ImageError
from bench.data.parallel import map_chunks, worker_count
from bench.data.pixels.convert import Change
from bench.data.pixels.wide_samples import FULL, bits_for
from bench.data.sources.base import Reader
from bench.errors import DataError
from bench.results.notice import Notice, verbatim

__all__ = ["ImageInfo", "Stage", "data_changed", "examine", "perceptual_hash"]

_CHUNK = 32
_SIDE = 32  # of the image that the perceptual hash sees
_WAVES = np.cos(np.pi / (2 * _SIDE) * np.outer(np.arange(8), 2 * np.arange(_SIDE) + 1))  # the first 8 of a DCT-II
_WORTH_PROCESSES = 400  # below this many images, starting processes takes longer than the work


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What is known of an image after one pass. Either ``error`` and ``notice`` are set or everything else is."""

    name: str
    bytes_hash: str = ""
    """SHA-256 of the file."""
    reading: str = ""
    """See `bench.data.decode.Decoded.reading`."""
    pixel_hash: str = ""
    """SHA-256 of the RGB pixels, of those images that share size and perceptual hash with another; empty for the rest,
    whose pixels no other image can have."""
    phash: int = 0
    """64-bit perceptual hash, see `perceptual_hash`."""
    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    changes: tuple[Change, ...] = ()
    """What was done to the image on the way to 8-bit RGB."""
    highest: int | None = None
    """The highest sample of an image with 16 bits a channel; None for any other."""
    error: str = ""
    """Why it cannot be read, for an error message."""
    notice: Notice | None = None
    """Why it cannot be read, for the record of the run."""


@dataclass(frozen=True)
class Stage:
    """An array on disk that receives the resized images, a row for each."""

    path: Path
    offset: int
    """Where the first row begins in the file."""
    size: int
    how: Literal["squash", "crop"]


def examine(
    reader: Reader,
    names: Sequence[str],
    *,
    stage: Stage | None = None,
    hashes: bool = True,
    bits: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[ImageInfo]:
    """Read and decode every image once, in parallel, and return what was seen, in the order of ``names``.

    Args:
        reader: gives the bytes.
        names: the images; image i goes into row i of the stage.
        stage: where to put the resized pixels, if anywhere.
        hashes: whether to compute the hashes of the pixels (the pixel cache alone does without).
        bits: what the set uses of the 16 bits a channel that some images have; None where this is to be found out,
            for which such images are decoded twice.
        progress: called with how many images are done.

    Raises:
        DataError: the stage cannot be written, or a file changed between two looks at it.
    """
    scan = _Scan(reader, stage, hashes, FULL if bits is None else bits)
    workers = 1 if len(names) < _WORTH_PROCESSES else worker_count()
    facts = _run(scan, list(enumerate(names)), workers, progress)
    used = bits_for(fact.highest for fact in facts if fact.highest is not None) if bits is None else None
    if used not in (None, FULL):
        _scale(_Scan(reader, stage, hashes, used), facts, workers)
    return _with_pixel_hashes(reader, facts, used or FULL, workers) if hashes else facts


def _run(
    scan: _Scan, rows: list[tuple[int, str]], workers: int, progress: Callable[[int], None] | None = None
) -> list[ImageInfo]:
    facts: list[ImageInfo] = []
    try:
        for part in map_chunks(scan, rows, chunk=_CHUNK, workers=workers):
            facts.extend(part)
            if progress is not None:
                progress(len(facts))
    finally:
        scan.close()
    return facts


def _scale(scan: _Scan, facts: list[ImageInfo], workers: int) -> None:
    """Look at the images of 16 bits a channel once more, now that it is known how many of them the set uses."""
    rows = [(row, fact.name) for row, fact in enumerate(facts) if fact.highest is not None]
    for (row, _), again in zip(rows, _run(scan, rows, workers), strict=True):
        _check_same(facts[row], again)
        facts[row] = again


def _check_same(first: ImageInfo, again: ImageInfo) -> None:
    if not again.error and again.bytes_hash != first.bytes_hash:
        raise data_changed(again.name)


def data_changed(name: str) -> DataError:
    """Return the error for a file that is not what it was when the data set was read first."""
    return DataError(
        f"{name}: the data set changed while it was in use: this file is not what it was when it was read first. Let "
        "nothing write to the data set, and run the study again in a new folder"
    )


def _with_pixel_hashes(reader: Reader, facts: list[ImageInfo], bits: int, workers: int) -> list[ImageInfo]:
    """Add the pixel hash where it can matter: hashing all the pixels would cost a sixth of the whole pass."""
    alike: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for row, fact in enumerate(facts):
        if not fact.error:
            alike[fact.width, fact.height, fact.phash].append(row)
    rows = [row for group in alike.values() if len(group) > 1 for row in group]
    names = [facts[row].name for row in rows]
    workers = 1 if len(names) < _WORTH_PROCESSES else workers
    parts = map_chunks(_HashPixels(reader, bits), names, chunk=_CHUNK, workers=workers)
    for row, found in zip(rows, chain.from_iterable(parts), strict=True):
        _check_same(facts[row], found)
        facts[row] = found if found.error else replace(facts[row], pixel_hash=found.pixel_hash)
    return facts


class _HashPixels:
    """The hashes of some images, or what is known of those that could be read a moment ago only."""

    def __init__(self, reader: Reader, bits: int) -> None:
        self.reader, self.bits = reader, bits

    def __call__(self, names: list[str]) -> list[ImageInfo]:
        return [self._hash(name) for name in names]

    def _hash(self, name: str) -> ImageInfo:
        try:
            data = self.reader.read(name)
            image = decode_full(data, name, self.bits).image
        except DataError as error:
            return _unreadable(name, error)
        pixels = hashlib.sha256(image.tobytes()).hexdigest()
        return ImageInfo(name, bytes_hash=hashlib.sha256(data).hexdigest(), pixel_hash=pixels)


class _Scan:
    """The work on one chunk; travels to the workers once."""

    def __init__(self, reader: Reader, stage: Stage | None, hashes: bool, bits: int) -> None:
        self.reader, self.stage, self.hashes, self.bits = reader, stage, hashes, bits
        self._file: io.FileIO | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_file": None}

    def __call__(self, part: list[tuple[int, str]]) -> list[ImageInfo]:
        return [self._scan(row, name) for row, name in part]

    def _scan(self, row: int, name: str) -> ImageInfo:
        try:
            data = self.reader.read(name)
            seen = decode_full(data, name, self.bits)
        except DataError as error:
            return _unreadable(name, error)
        if self.stage is not None:
            self._write(row, shrink(seen.image, self.stage.size, self.stage.how).tobytes())
        width, height = seen.image.size
        return ImageInfo(
            name,
            bytes_hash=hashlib.sha256(data).hexdigest(),
            reading=seen.reading,
            phash=perceptual_hash(seen.image) if self.hashes else 0,
            width=width,
            height=height,
            mode=seen.mode,
            format=seen.format,
            changes=seen.changes,
            highest=seen.highest,
        )

    def _write(self, row: int, pixels: bytes) -> None:
        """Write one row of the stage. (Through a mapping, each page would cost a fault.)"""
        assert self.stage is not None
        try:
            if self._file is None:
                self._file = self.stage.path.open("r+b", buffering=0)
            self._file.seek(self.stage.offset + row * len(pixels))
            done = self._file.write(pixels)
        except OSError as error:
            raise no_room(self.stage.path.parent, error) from error
        if done != len(pixels):
            raise no_room(self.stage.path.parent, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _unreadable(name: str, error: DataError) -> ImageInfo:
    reason = str(error).removeprefix(f"{name}: ")
    return ImageInfo(name, error=reason, notice=error.notice if isinstance(error, ImageError) else verbatim(reason))


def perceptual_hash(image: Image.Image) -> int:
    """Return the 64-bit DCT hash of an image: which of its lowest 8 x 8 frequencies lie above their median.

    imagehash's ``phash`` (Zauner 2010, Implementation and benchmarking of perceptual image hash functions) of the
    image averaged down to 64 to 127 pixels a side; frequencies that are 0 up to rounding count as 0. Written out
    because imagehash has every process that reads images import scipy first, and takes twice as long: 0.3 of 6 seconds
    for 6,000 images.
    """
    small = image.reduce(max(1, min(image.size) // (2 * _SIDE))).convert("L")
    gray = np.asarray(small.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float64)
    low = (_WAVES @ gray @ _WAVES.T).round(6)  # what is 0 in an even image must not be above or below by chance
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")
