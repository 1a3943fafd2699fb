"""Where files are kept between runs, and how two processes share them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bench.data.leftovers import own_folder, remove_left_folders
from bench.errors import DataError
from bench.locks import file_lock

__all__ = ["cache_folder", "fetched_folder", "locked", "no_room", "run_cache", "temporary_cache"]

_TEMPORARY = "patchbench-cache-"


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


def no_room(folder: Path, error: OSError, need: int | None = None) -> DataError:
    """Return the error for a write into the cache that failed; where it is for want of room, it says of which disk.

    need: how many bytes were asked for at once.
    """
    reason = error.strerror or error
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        variable = "TMPDIR" if _is_temporary(folder) else "PATCHBENCH_CACHE"
        what = "" if need is None else f": no room for the pixel cache, {need / 2**20:,.0f} MiB"
        return DataError(
            f"The disk that holds {folder} is full{what} ({reason}); free some room, or set {variable} to a folder on "
            "another disk"
        )
    if _is_temporary(folder):
        return DataError(f"{folder}: cannot be written ({reason}); set TMPDIR to a folder that can be written")
    without = ", or use --no-cache" if folder.name == "pixels" else ""
    return DataError(
        f"{folder}: the cache cannot be written here ({reason}); set PATCHBENCH_CACHE to a folder that can be "
        f"written{without}"
    )


def _is_temporary(folder: Path) -> bool:
    return any(part.startswith(_TEMPORARY) for part in folder.parts)


@contextmanager
def temporary_cache() -> Iterator[Path]:
    """Yield a cache folder for one run, which is removed afterwards; those that killed runs left behind go, too.

    Raises:
        DataError: there is no temporary folder that can be written.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(own_folder(_TEMPORARY))
        except OSError as error:
            raise DataError(
                f"no temporary folder can be made ({error.strerror or error}); set TMPDIR to a folder that can be "
                "written, or leave --no-cache out"
            ) from error
        yield folder


@contextmanager
def run_cache(*, keep: bool) -> Iterator[Path | None]:
    """Yield the cache of one run: None for the user's own, or else a `temporary_cache`."""
    if not keep:
        with temporary_cache() as folder:
            yield folder
        return
    with suppress(OSError):  # nothing temporary can be written, so nothing is left there either
        remove_left_folders(_TEMPORARY)
    yield None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time build ``path``.

    Raises:
        DataError: the folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(path.with_suffix(".lock"), wait=True))
        except OSError as error:
            raise no_room(path.parent, error) from error
        yield
