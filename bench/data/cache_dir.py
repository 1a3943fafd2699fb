"""Where files are kept between runs, and how two processes share them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.errors import DataError
from bench.locks import file_lock

__all__ = ["advice", "cache_folder", "fetched_folder", "locked"]

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


def cache_folder(chosen: Path | None = None) -> Path:
    """Return the cache's folder: ``chosen``, else ``$PATCHBENCH_CACHE``, else the user's cache folder."""
    if chosen is not None:
        return chosen.expanduser()
    if os.environ.get("PATCHBENCH_CACHE"):
        return Path(os.environ["PATCHBENCH_CACHE"]).expanduser()
    import pooch

    return Path(pooch.os_cache("patchbench"))


def advice(folder: Path) -> str:
    """What to do where a folder of the cache cannot be written; ``--no-cache`` keeps what was fetched all the same."""
    user, kept = cache_folder(), ("downloads", "hub")
    text = "set PATCHBENCH_CACHE to a folder that can be written"
    if folder.is_relative_to(user) and not any(folder.is_relative_to(user / kind) for kind in kept):
        return f"{text}, or use --no-cache"
    return text if folder.is_relative_to(user) else "set TMPDIR to a folder that can be written"


def fetched_folder(kind: str, file: str, chosen: Path | None) -> Path:
    """Return the folder (``downloads`` or ``hub``) that holds, or is to hold, a file that comes from the network.

    That is the user's, unless the file lies in ``chosen``: a run that keeps no cache only computes anew.
    """
    here = cache_folder(chosen) / kind
    return here if (here / file).exists() else cache_folder() / kind


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time build ``path``. Where there are no locks, both build it, and the last one stays.

    Raises:
        DataError: the folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(path.with_suffix(".lock"), wait=True))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise DataError(
                    f"{path.parent}: the cache cannot be written here ({error.strerror or error}); "
                    f"{advice(path.parent)}"
                ) from error
        yield
