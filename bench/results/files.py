"""Plain files that are whole or not there: bounded reads, atomic writes, room on the disk."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bench.errors import RunError

__all__ = ["atomic_path", "open_regular", "read_regular", "reserve", "write_atomic"]


_LACKING = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
"""What file systems answer when they are asked for something that they lack; they differ."""


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; never waits for a pipe.

    Raises OSError: it is not there, cannot be read, or is a pipe, device or folder.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield file


def read_regular(path: Path, largest: int) -> bytes:
    """Return the bytes of a regular file, as `open_regular`, and never read more than ``largest`` bytes.

    Raises OSError too where it is larger.
    """
    with open_regular(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"larger than {largest / 2**20:,.0f} MiB", str(path))
    return content


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield an empty temporary file beside ``path`` to be filled; it then replaces ``path``, or is removed on an error.

    durable: flush it to the disk, so that it survives a power cut; a file system that cannot flush does so in its own
    time. One without permissions keeps its own. Raises OSError where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            with temporary.open("r+b") as file:
                _flush(file.fileno())
        with suppress(OSError):  # network and FUSE mounts may have no permissions, or let nobody change them
            temporary.chmod(0o644)
        temporary.replace(path)
        if durable:
            _flush_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file whole or not at all; as `atomic_path`, but raises `RunError`."""
    try:
        with atomic_path(path, durable=durable) as temporary:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"cannot write {path}: {reason}. What was stored before is intact; "
            f"make room or give a folder that can be written (--out), then run the same command again."
        ) from error


def _flush_folder(folder: Path) -> None:
    """Make a rename in the folder last through a power cut; Windows does so by itself and cannot open folders."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # one that may be written and not listed
        return
    try:
        _flush(handle)
    finally:
        os.close(handle)


def _flush(handle: int) -> None:
    """Flush an open file or folder to the disk, where the file system can."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _LACKING:
            raise


def reserve(descriptor: int, size: int) -> None:
    """Make an open file ``size`` bytes long and take the room on the disk now; OSError where there is none.

    Where the file system cannot reserve room, a disk that is too small is noticed when it is full.
    """
    try:
        os.posix_fallocate(descriptor, 0, size)
    except AttributeError:  # another system
        os.ftruncate(descriptor, size)
    except OSError as error:
        if error.errno not in _LACKING:
            raise
        os.ftruncate(descriptor, size)
