"""Plain files that are whole or not there: atomic writes, lines that a kill may have cut short, room on the disk."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import RunError

__all__ = ["read_json_lines", "reserve", "write_atomic"]


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, flushed to the disk, then renamed over it."""
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
            _flush_folder(path.parent)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
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
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the mappings of a .jsonl file; stops at a line that is not whole."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            loaded = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(loaded, dict):
            yield loaded


def reserve(descriptor: int, size: int) -> None:
    """Make an open file ``size`` bytes long and take the room on the disk now; OSError where there is none.

    Without it, a full disk would end the process when it writes to a page that is mapped into memory (SIGBUS).
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)
