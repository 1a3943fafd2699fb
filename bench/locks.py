"""One process at a time: the lock of a run folder, and those of what is shared in the cache."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.soft_lock import hold_file

__all__ = ["LockHeldError", "file_lock"]

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""What file systems answer that have no locks; they differ."""


class LockHeldError(Exception):
    """Another process holds the lock."""


@contextmanager
def file_lock(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock on the file ``path``, which is made for it and removed afterwards.

    The kernel gives it back when the process ends, however it ends. Yields whether it is such a lock; on a file system
    without them, the file itself is the lock (`bench.soft_lock`).

    Raises:
        LockHeldError: another process holds it, and ``wait`` is false.
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not _has_locks(path.parent):
        with hold_file(path, wait=wait) as held:
            if not held:
                raise LockHeldError(str(path))
            yield False
        return
    from filelock import FileLock, Timeout

    lock = FileLock(path, blocking=wait)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockHeldError(str(path)) from error
    held_file = path.stat()
    try:
        yield True
    finally:
        # While it is held, since filelock takes no lock on a file that is gone; Windows removes none that is open.
        with suppress(OSError):
            if os.path.samestat(held_file, path.stat()):  # and not that of a folder that came in place of ours
                path.unlink()
        lock.release()


def _has_locks(folder: Path) -> bool:
    """Whether the folder's file system has locks of the kernel's; tried on a file of our own. Raises OSError."""
    if os.name == "nt":
        return True
    import fcntl

    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return False
    return True
