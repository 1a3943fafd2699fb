"""Foreseen endings of a cell: exceptions that are a result, and those that leave the cell to be done again."""

from __future__ import annotations

import errno

from bench.errors import BenchError, DeviceError
from bench.results.notice import Notice, verbatim
from bench.results.schema import Failure, Status

__all__ = ["foreseen", "is_disk_error"]

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
"""What stands in the way of writing; not the cell's fault, so the cell is left to be done again."""


def is_disk_error(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, shows that nothing can be written any more."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _DISK:
            return True
        cause = cause.__cause__
    return False


def foreseen(error: Exception) -> tuple[Status, Failure] | None:
    """How a cell has ended that raised this; None where nobody foresaw it.

    The classes of divergence, of a model that cannot be built, and of torch's ways to be out of memory only exist
    once torch is imported: they are known by their names.
    """
    name, message = type(error).__name__, str(error)
    if isinstance(error, DeviceError):
        return Status.UNAVAILABLE, Failure(kind=name, notice=verbatim(message))
    if isinstance(error, BenchError):
        return None if is_disk_error(error) else (Status.FAILED, Failure(kind=name, notice=verbatim(message)))
    if isinstance(error, MemoryError):
        return Status.OUT_OF_MEMORY, Failure(
            kind="MemoryError", notice=verbatim(message) if message else Notice.of("out_of_memory")
        )
    if name == "Diverged":
        return Status.DIVERGED, Failure(kind=name, notice=Notice.of("diverged", reason=message))
    if name == "ModelZooError":
        return Status.FAILED, Failure(kind="ModelError", notice=verbatim(message))
    if name == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate" in message:
        return Status.OUT_OF_MEMORY, Failure(kind=name, notice=verbatim(message.splitlines()[0]))
    return None
