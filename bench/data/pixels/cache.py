"""The pixel cache: every image decoded and resized once, in one memory-mapped array on disk.

The array is N x S x S x 3, uint8, in NumPy's own format; row i is image i of the manifest. Beside it lies a small
file with its checksum. It is written under another name and renamed when it is whole, so nobody ever reads a half
array, and two processes that build the same one do no harm.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bench.data.audit.scan import examine
from bench.data.cache_dir import locked
from bench.data.parallel import worker_count
from bench.data.pixels.stage import new_stage
from bench.data.sources.base import Reader
from bench.errors import DataError
from bench.results.files import atomic_path

__all__ = ["adopt", "build", "load_pixels", "ready", "whole"]

_BLOCK = 32 * 2**20
_PART = 2**20  # what is read at once; new memory for a whole block would cost as much as hashing it

_checked: dict[Path, tuple[int, int, int, str]] = {}
"""What this process has found undamaged (inode, size, time, checksum), so that it need not read it again."""


def ready(path: Path) -> bool:
    """Whether ``path`` is a whole, undamaged cache; a damaged one is removed."""
    note = _note(path)
    try:
        stored = json.loads(note.read_text(encoding="utf-8"))
        found = path.stat()
        state = (found.st_ino, found.st_size, found.st_mtime_ns, stored["checksum"])
        if found.st_size == stored["bytes"] and (_checked.get(path) == state or _checksum(path) == stored["checksum"]):
            _checked[path] = state
            return True
    except FileNotFoundError:
        pass  # not built yet, or only half of the pair is there
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a note that cannot be read counts as none
    _remove(path)
    return False


def whole(path: Path) -> bool:
    """Whether the cache at ``path`` is there and undamaged; waits while another process builds it."""
    with locked(path):
        return ready(path)


def build(
    path: Path,
    reader: Reader,
    names: Sequence[str],
    size: int,
    how: str,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Build the cache at ``path`` unless it is there and whole, or another process builds it meanwhile.

    Raises:
        DataError: an image that could be read before cannot be read now, or the disk is full or read-only.
    """
    with locked(path):
        if ready(path):
            return
        stage = new_stage(path.parent, len(names), size, how)
        try:
            facts = examine(reader, names, stage=stage, hashes=False, progress=progress)
            bad = next((fact for fact in facts if fact.error), None)
            if bad is not None:
                raise DataError(
                    f"{bad.name}: could be read before and cannot now ({bad.error}); the data set changed. "
                    "Run the study again in a new folder"
                )
            _publish(stage.path, path)
        finally:
            stage.path.unlink(missing_ok=True)


def adopt(stage: Path, path: Path) -> None:
    """Make a filled array the cache at ``path``, unless that is there and whole already."""
    with locked(path):
        if not ready(path):
            _publish(stage, path)


def _publish(stage: Path, path: Path) -> None:
    """Give a filled array its name, with its checksum beside it."""
    checksum = _checksum(stage)
    note = {"bytes": stage.stat().st_size, "checksum": checksum}
    try:
        with atomic_path(_note(path), durable=False) as part:
            part.write_text(json.dumps(note), encoding="utf-8")
        stage.replace(path)
        found = path.stat()
        _checked[path] = (found.st_ino, found.st_size, found.st_mtime_ns, checksum)
    except OSError as error:
        raise DataError(f"{path}: the pixel cache cannot be written: {error.strerror or error}") from error


def load_pixels(path: Path) -> NDArray[np.uint8]:
    """Map a pixel cache into memory, read-only: N x S x S x 3, uint8. Pages are read when they are touched.

    Raises:
        DataError: it is not there, or is not such an array.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: the pixel cache cannot be read ({error}); run the study again") from error
    if array.ndim != 4 or array.shape[3] != 3 or array.dtype != np.uint8:
        raise DataError(f"{path}: not a pixel cache; delete it and run the study again")
    return cast("NDArray[np.uint8]", array)


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        _note(path).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path}: this part of the pixel cache is damaged and cannot be removed: {error.strerror or error}"
        ) from error


def _checksum(path: Path) -> str:
    """The CRC-32 of every block, hashed together; the blocks are read by several threads at once.

    It is there to notice damage, not forgery, and is twice as fast as SHA-256 over all.
    """
    count = -(-path.stat().st_size // _BLOCK)

    def one(index: int) -> bytes:
        crc, part = 0, memoryview(bytearray(_PART))
        with path.open("rb", buffering=0) as file:
            file.seek(index * _BLOCK)
            for _ in range(_BLOCK // _PART):
                crc = zlib.crc32(part[: file.readinto(part)], crc)
        return crc.to_bytes(4, "big")

    with ThreadPoolExecutor(worker_count()) as pool:
        return hashlib.sha256(b"".join(pool.map(one, range(count)))).hexdigest()
