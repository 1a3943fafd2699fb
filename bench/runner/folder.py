"""The run folder while a study is run: held against a second process, still the same, gone where nothing came of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.errors import RunError
from bench.results.notice import Notice
from bench.results.writer import acquire_lock

__all__ = ["HeldFolder", "hold_folder", "require_text", "run_folder"]

_LOCK = ".lock"


def run_folder(out: str | Path | None, name: str) -> Path:
    """Where a study's run lies: ``out``, or ``runs/NAME``. Raises `RunError` where that is no text."""
    folder = Path(out).expanduser() if out is not None else Path("runs") / name
    require_text(folder.absolute(), "the run folder")
    return folder


def require_text(path: Path, what: str) -> None:
    """Raise `RunError` for a path that is not valid UTF-8: what is stored of it, and sent to a cell, is text."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise RunError(f"{what} {shown} is not valid UTF-8. Rename it, or give another one.") from error


@dataclass(frozen=True)
class HeldFolder:
    """A run folder that this process writes to."""

    path: Path
    notices: tuple[Notice, ...]
    """What a user has to know of how it is held."""
    _identity: os.stat_result

    def check(self, files: Iterable[str] = ()) -> None:
        """Raise `RunError` where it is gone, or not the one any more, or lacks one of these files."""
        try:
            same = os.path.samestat(self._identity, self.path.stat())
        except OSError:
            same = False
        lost = [name for name in files if not (self.path / name).is_file()]
        if same and not lost:
            return
        what = f"lost {lost[0]}" if same else "was deleted, renamed or replaced"
        raise RunError(
            f"the run folder {self.path} {what} while the study ran; nothing more was stored there. Put back what was "
            f"there and run the same command again, which resumes it, or give another folder with --out."
        )


@contextmanager
def hold_folder(folder: Path) -> Iterator[HeldFolder]:
    """Hold a run folder while it is written to; it is made where it is missing. Raises `RunError`.

    Where the block ends before anything was stored, for the data may be unusable, the folder is left as it was found.
    """
    # not Path.exists: it raises for a name that is too long and for a folder that may not be looked into
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]  # noqa: PTH110
    with acquire_lock(folder) as kernel, _opened(folder) as identity:
        notices = () if kernel else (Notice.of("no_locks", folder=str(folder)),)
        try:
            yield HeldFolder(folder, notices, identity)
        finally:
            with suppress(OSError):  # a folder that another process has begun to use stays
                if [path.name for path in folder.iterdir()] == [_LOCK] and os.path.samestat(identity, folder.stat()):
                    _remove(folder, missing)


@contextmanager
def _opened(folder: Path) -> Iterator[os.stat_result]:
    """The folder's identity; held open, so that no folder made later is given its number."""
    if os.name == "nt":  # which opens no folders
        yield folder.stat()
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield os.fstat(handle)
    finally:
        os.close(handle)


def _remove(folder: Path, made: list[Path]) -> None:
    (folder / _LOCK).unlink()
    for path in made:
        path.rmdir()
