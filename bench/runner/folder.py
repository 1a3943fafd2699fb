"""The run folder while a study is run: held against a second process, and gone again where nothing came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.results.writer import acquire_lock

__all__ = ["hold_folder", "run_folder"]

_LOCK = ".lock"


def run_folder(out: str | Path | None, name: str) -> Path:
    """Where a study's run lies: ``out``, or ``runs/NAME``."""
    return Path(out).expanduser() if out is not None else Path("runs") / name


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold a run folder while it is written to; it is made where it is missing. Raises `RunError`.

    Where the block ends before anything was stored, for the data may be unusable, the folder is left as it was found.
    """
    # not Path.exists: it raises for a name that is too long and for a folder that may not be looked into
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]  # noqa: PTH110
    with acquire_lock(folder):
        try:
            yield
        finally:
            with suppress(OSError):  # a folder that another process has begun to use stays
                if [path.name for path in folder.iterdir()] == [_LOCK]:  # it is still ours
                    _remove(folder, missing)


def _remove(folder: Path, made: list[Path]) -> None:
    (folder / _LOCK).unlink()
    for path in made:
        path.rmdir()
