"""A lock for file systems without locks of the kernel's: a file that names its holder and shows that it is alive.

Some network and FUSE mounts have no ``flock``. The file holds host, process and the time of the last heartbeat. Another
process takes it over where that process is gone from this host, or where another host's has been silent for long.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["hold_file"]

_BEAT = 15.0
"""Seconds between two heartbeats."""
_SILENT = 120.0
"""Seconds without one after which another host's process counts as gone."""
_TORN = 10.0
"""Seconds after which a file without a whole record counts as left behind."""
_PAUSE = 0.2


@dataclass(frozen=True)
class _Holder:
    host: str
    pid: int
    born: float
    """When the process was started, for its number may be given again."""
    beat: float
    """Time of the last heartbeat, in seconds since 1970."""

    @classmethod
    def here(cls) -> _Holder:
        return cls(socket.gethostname(), os.getpid(), _born(os.getpid()), time.time())

    @property
    def gone(self) -> bool:
        if self.host == socket.gethostname():
            return abs(_born(self.pid) - self.born) > 1
        return time.time() - self.beat > _SILENT


def _born(pid: int) -> float:
    """When a process was started; -inf where there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return float("-inf")
    except psutil.AccessDenied:  # another user's: it is there
        return 0.0


@contextmanager
def hold_file(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold ``path`` while the block runs; yields False at once where another process does and ``wait`` is false."""
    while not _create(path):
        if _take_away(path):
            continue
        if not wait:
            yield False
            return
        time.sleep(_PAUSE)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, ended), daemon=True)
    beating.start()
    try:
        yield True
    finally:
        ended.set()
        beating.join()
        if _is_ours(_read(path)):
            with suppress(OSError):
                path.unlink()


def _create(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(_Holder.here())))
    return True


def _beat(path: Path, ended: threading.Event) -> None:
    while not ended.wait(_BEAT):
        if not _is_ours(_read(path)):  # taken away or deleted: it is another's now
            return
        with suppress(OSError), path.open("r+", encoding="utf-8") as file:
            file.write(json.dumps(asdict(_Holder.here())))
            file.truncate()


def _read(path: Path) -> _Holder | None:
    try:
        return _Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _is_ours(holder: _Holder | None) -> bool:
    return holder is not None and (holder.host, holder.pid) == (socket.gethostname(), os.getpid())


def _take_away(path: Path) -> bool:
    """Remove the file of a holder that is gone; False where it is alive."""
    try:
        before = path.stat()
    except FileNotFoundError:
        return True
    holder = _read(path)
    if not (time.time() - before.st_mtime > _TORN if holder is None else holder.gone):
        return False
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True
    if aside.stat().st_ino != before.st_ino and not path.exists():  # another process was quicker: this one is its own
        aside.rename(path)
        return False
    aside.unlink()
    return True
