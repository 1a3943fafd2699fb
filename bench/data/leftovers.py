"""Files and folders that are removed in the end: by the process that made them, or by the next one if that was killed.

A process holds a lock on what it is filling. The kernel gives the lock back however the process ends, so what nobody
holds is left over. Where the file system has no locks, what is a day old is.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["own_file", "own_folder", "remove_left_files", "remove_left_folders"]

_OLD_SECONDS = 24 * 3600
_OWNER = ".owner"
_TAKEN = (errno.EAGAIN, errno.EACCES)


@contextmanager
def own_file(folder: Path, prefix: str, suffix: str) -> Iterator[tuple[Path, int]]:
    """Yield a new file of this process's own and its open descriptor; it is removed afterwards unless it was renamed.

    Raises OSError.
    """
    while True:
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=folder)
        if _lock(handle) is not False and os.fstat(handle).st_nlink:
            break
        os.close(handle)  # another process took it for left over before the lock was there
    try:
        yield Path(name), handle
    finally:
        with suppress(OSError):
            Path(name).unlink(missing_ok=True)
        os.close(handle)


def remove_left_files(folder: Path, prefix: str, suffix: str) -> None:
    """Remove the files of `own_file` that processes left behind which are gone; what cannot be removed stays."""
    for path in folder.glob(f"{prefix}*{suffix}"):
        with suppress(OSError), _left(path, path) as left:
            if left and path.is_file():
                path.unlink()


@contextmanager
def own_folder(prefix: str) -> Iterator[Path]:
    """Yield a new temporary folder of this process's own, which is removed afterwards.

    Those of the same prefix that killed processes of this user left behind are removed first. Raises OSError.
    """
    remove_left_folders(prefix)
    folder, handle = _new_folder(prefix)
    try:
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_folders(prefix: str) -> None:
    """Remove the folders of `own_folder` that killed processes of this user left behind. Raises OSError."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError), _left(path, path / _OWNER) as left:
            if left and _is_own_folder(path):
                shutil.rmtree(path, ignore_errors=True)


def _new_folder(prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        handle = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if _lock(handle) is not False and os.fstat(handle).st_nlink:
            return folder, handle
        os.close(handle)


def _is_own_folder(path: Path) -> bool:
    info = path.lstat()
    return stat.S_ISDIR(info.st_mode) and (not hasattr(os, "geteuid") or info.st_uid == os.geteuid())


@contextmanager
def _left(path: Path, locked: Path) -> Iterator[bool]:
    """Whether the process that made ``path`` and locked ``locked`` is gone; nobody else takes it during the block."""
    try:
        handle = os.open(locked, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:  # it is being made, or an older version made it
        yield _is_old(path)
        return
    try:
        free = _lock(handle)
        yield _is_old(path) if free is None else free
    finally:
        os.close(handle)


def _is_old(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime > _OLD_SECONDS


def _lock(handle: int) -> bool | None:
    """Take the lock of an open file, if nobody else holds it; None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _TAKEN else None
    return True
