"""The pixel cache: every image decoded and resized once, in one array on disk.

The array is N x S x S x 3, uint8, in NumPy's own format; row i is image i of the manifest. Beside it lies a small
file with its checksum. It is written under another name and renamed when it is whole, so nobody ever reads a half
array, and two processes that build the same one do no harm. Each cell compares the checksum before it reads.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench.data.audit.scan import Stage
from bench.data.cache_dir import locked, no_room
from bench.data.parallel import worker_count
from bench.data.pixels.stage import new_stage, remove_left_stages
from bench.errors import DataError
from bench.results.files import atomic_path, read_regular

__all__ = ["adopt", "building", "checksum", "noted_checksum", "ready", "whole"]

_BLOCK = 32 * 2**20
_PART = 2**20  # what is read at once; new memory for a whole block would cost as much as hashing it
_NOTE_BYTES = 2**16

_checked: dict[Path, tuple[object, ...]] = {}
"""What this process has found undamaged (`_state`), so that it need not read it again."""


def ready(path: Path) -> bool:
    """Whether ``path`` is a whole, undamaged cache; a damaged one is removed."""
    try:
        stored = _read_note(path)
        state = _state(path, str(stored["checksum"]))
        size = path.stat().st_size
        if size == stored["bytes"] and (_checked.get(path) == state or checksum(path) == stored["checksum"]):
            _checked[path] = state
            return True
    except FileNotFoundError:
        pass  # not built yet, or only half of the pair is there
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a note that cannot be read counts as none
    _remove(path)
    return False


def _state(path: Path, noted: str) -> tuple[object, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, noted


def whole(path: Path) -> bool:
    """Whether the cache at ``path`` is there and undamaged; waits while another process builds it.

    What killed processes left half filled is removed.
    """
    with locked(path):
        remove_left_stages(path.parent)
        return ready(path)


@contextmanager
def building(path: Path, rows: int, size: int, how: str) -> Iterator[Stage | None]:
    """Yield an array to be filled, which becomes the cache at ``path`` unless an error ends the block.

    None where the cache is there and whole, perhaps since another process has built it meanwhile.

    Raises:
        DataError: the disk is full or read-only.
    """
    with locked(path):
        if ready(path):
            yield None
            return
        with new_stage(path.parent, rows, size, how) as stage:
            yield stage
            _publish(stage.path, path)


def adopt(stage: Path, path: Path) -> None:
    """Make a filled array the cache at ``path``, unless that is there and whole already."""
    with locked(path):
        if not ready(path):
            _publish(stage, path)


def _publish(stage: Path, path: Path) -> None:
    """Give a filled array its name, with its checksum beside it."""
    try:
        found = checksum(stage)
        note = {"bytes": stage.stat().st_size, "checksum": found}
        with atomic_path(_note(path), durable=False) as part:
            part.write_text(json.dumps(note), encoding="utf-8")
        stage.replace(path)
        _checked[path] = _state(path, found)
    except OSError as error:
        raise no_room(path.parent, error) from error


def noted_checksum(path: Path) -> str:
    """Return what the checksum of the cache at ``path`` was when it was built; to be compared with `checksum`.

    Raises:
        DataError: nothing says what it was.
    """
    try:
        return str(_read_note(path)["checksum"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{_note(path)}: the pixel cache has lost its checksum while the study ran ({error}). Run the study again "
            "with --retry failed: the cache is built anew"
        ) from error


def _read_note(path: Path) -> dict[str, object]:
    note = json.loads(read_regular(_note(path), _NOTE_BYTES))
    if not isinstance(note, dict):
        raise ValueError("not a mapping")
    return note


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


def checksum(path: Path) -> str:
    """Return the CRC-32 of every block, hashed together; the blocks are read by several threads at once.

    It is there to notice damage, not forgery, and is twice as fast as SHA-256 over all. Raises OSError.
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
