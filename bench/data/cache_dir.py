"""Where files are kept between runs, and how two processes share them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.errors import DataError

__all__ = ["cache_folder", "fetched_folder", "locked"]


def cache_folder(chosen: Path | None = None) -> Path:
    """Return the cache's folder: ``chosen``, else ``$PATCHBENCH_CACHE``, else the user's cache folder."""
    if chosen is not None:
        return chosen.expanduser()
    if os.environ.get("PATCHBENCH_CACHE"):
        return Path(os.environ["PATCHBENCH_CACHE"]).expanduser()
    import pooch

    return Path(pooch.os_cache("patchbench"))


def fetched_folder(kind: str, file: str, chosen: Path | None) -> Path:
    """Return the folder (``downloads`` or ``hub``) that holds, or is to hold, a file that comes from the network.

    That is the user's, unless the file lies in ``chosen``: a run that keeps no cache only computes anew.
    """
    here = cache_folder(chosen) / kind
    return here if (here / file).exists() else cache_folder() / kind


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time build ``path``. Where there are no locks, both build it, and the last one stays."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    lock = path.with_suffix(".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("wb")
    except OSError as error:
        raise DataError(
            f"{path.parent}: the pixel cache cannot be written here ({error.strerror or error}); set "
            "PATCHBENCH_CACHE to a folder that can be written, or use --no-cache"
        ) from error
    with file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
