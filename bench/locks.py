"""One process at a time: the lock of a run folder, and those of what is shared in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["LockHeldError", "file_lock"]


class LockHeldError(Exception):
    """Another process holds the lock."""


@contextmanager
def file_lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock on the file ``path``, which is made for it and removed afterwards.

    The kernel gives it back when the process ends, however it ends.

    Raises:
        LockHeldError: another process holds it, and ``wait`` is false.
        OSError: the file cannot be made, or the file system has no locks.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=wait)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockHeldError(str(path)) from error
    try:
        yield
    finally:
        # While it is held, since filelock takes no lock on a file that is gone; Windows removes none that is open.
        with suppress(OSError):
            path.unlink()
        lock.release()
