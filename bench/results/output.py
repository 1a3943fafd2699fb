"""Files that people ask for: written where they say, through devices and pipes, never through a run's own links."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from bench.errors import RunError
from bench.results.files import write_atomic
from bench.terminal import printable

__all__ = ["is_stdout", "refuse_links", "write_in_run", "write_output"]


def write_output(path: Path, content: str | bytes, run: Path | None = None) -> None:
    """Write to a place that a person has named: a file whole or not at all, a device or a pipe from its beginning.

    A link is followed, but in the folder ``run``, if it lies there. Raises `RunError`.
    """
    if run is not None and path.absolute().is_relative_to(run.absolute()):
        write_in_run(run, path, content)
        return
    try:
        mode = path.stat().st_mode
    except OSError:  # not there yet, or `write_atomic` says why not
        write_atomic(_target(path), content)
        return
    if stat.S_ISDIR(mode):
        raise RunError(f"{_shown(path)} is a folder. Name a file in it.")
    if stat.S_ISREG(mode) and not _is_descriptor(path):
        write_atomic(_target(path), content)
    else:
        _write_through(path, content.encode() if isinstance(content, str) else content)


def write_in_run(run: Path, path: Path, content: str | bytes) -> None:
    """Write a file of a run folder whole or not at all; `RunError` where a link or a device stands in its way."""
    inner = path.absolute().relative_to(run.absolute())
    refuse_links(run.absolute(), inner)
    target = run.absolute() / inner
    if os.path.lexists(target) and not stat.S_ISREG(target.lstat().st_mode):
        raise RunError(f"{_shown(path)} is not a regular file. Remove it, or name another place with --out.")
    write_atomic(path, content)


def refuse_links(run: Path, inner: Path) -> None:
    """Raise `RunError` where a part of the path below a run folder is a link: it may lead outside of the run."""
    for part in (inner, *inner.parents):
        if part.parts and _is_link(run / part):
            raise RunError(
                f"{_shown(run / part)} is a link, and nothing is written through a run folder's links. Put what it "
                f"points to in its place, or name another place with --out."
            )


def is_stdout(path: Path | None) -> bool:
    """Whether a path is another name of the standard output: what is told beside it then goes elsewhere."""
    try:
        return path is not None and os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        return False


def _is_link(path: Path) -> bool:
    return os.path.islink(path)  # noqa: PTH114 - False, where Path.is_symlink raises, for a name that is too long


def _target(path: Path) -> Path:
    """Where a link leads; renaming would replace the link."""
    return Path(os.path.realpath(path)) if _is_link(path) else path


def _is_descriptor(path: Path) -> bool:
    """Whether it is an open file by its number (``/dev/stdout``, ``/dev/fd/3``): renaming would replace what it is."""
    return os.path.realpath(path.parent).startswith(("/dev", "/proc")) or is_stdout(path)


def _write_through(path: Path, content: bytes) -> None:
    try:
        if is_stdout(path):
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
        else:
            with path.open("ab") as file:
                file.write(content)
    except OSError as error:
        raise RunError(f"cannot write {_shown(path)}: {error.strerror or error}. Name another with --out.") from error


def _shown(path: Path) -> str:
    return printable(str(path), lines=False)
