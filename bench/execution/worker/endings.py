"""Foreseen endings of a cell: exceptions that are a result, and those that leave the cell to be done again."""

from __future__ import annotations

from pathlib import Path

from bench.disk import is_disk_error
from bench.errors import BenchError, DeviceError
from bench.results.notice import Notice, verbatim
from bench.results.schema import Failure, Status

__all__ = ["foreseen"]


def foreseen(error: Exception, folder: Path) -> tuple[Status, Failure] | None:
    """How a cell has ended that raised this; None where nobody foresaw it, and where its files cannot be written.

    folder: the cell's.
    The classes of divergence, of a model that cannot be built, and of torch's ways to be out of memory only exist
    once torch is imported: they are known by their names.
    """
    name, message = type(error).__name__, str(error)
    if is_disk_error(error, folder):
        return None
    if isinstance(error, DeviceError):
        return Status.UNAVAILABLE, Failure(kind=name, notice=verbatim(message))
    if isinstance(error, BenchError):
        return Status.FAILED, Failure(kind=name, notice=verbatim(message))
    if isinstance(error, MemoryError):
        return Status.OUT_OF_MEMORY, Failure(
            kind="MemoryError", notice=verbatim(message) if message else Notice.of("out_of_memory")
        )
    if name == "Diverged":
        return Status.DIVERGED, Failure(kind=name, notice=Notice.of("diverged", reason=message))
    if name == "ValueError" and message.startswith("Expected more than 1 value per channel"):  # of torch
        return Status.FAILED, Failure(kind="ModelError", notice=Notice.of("single_value_per_channel", reason=message))
    if name == "ModelZooError":
        return Status.FAILED, Failure(kind="ModelError", notice=verbatim(message))
    if name == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate" in message:
        return Status.OUT_OF_MEMORY, Failure(kind=name, notice=verbatim(message.splitlines()[0]))
    return None
