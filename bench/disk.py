"""Which errors mean that nothing can be written any more: the disk's fault, and not that of what was to be written."""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = ["is_disk_error"]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
"""The disk is full, over its quota, read-only or broken."""

_NO_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ESTALE}
"""A folder is gone or protected."""


def is_disk_error(error: BaseException, folder: Path | None = None) -> bool:
    """Whether an error, or what it was raised from, shows that nothing can be written any more.

    folder: where this process writes; that it is gone or protected counts, too.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            if cause.errno in _NO_ROOM:
                return True
            if folder is not None and cause.errno in _NO_PLACE and str(cause.filename).startswith(str(folder)):
                return True
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return False
