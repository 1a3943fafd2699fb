"""A study that names ``python:`` models is a program: one from elsewhere is run only where it is trusted."""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import RunError, StudyError
from bench.terminal import printable

if TYPE_CHECKING:
    from bench.study.schema import Study

__all__ = ["Trust", "require_trust"]

Trust = Annotated[
    bool, typer.Option("--trust", help="Run the python: models of a study from outside of this folder without asking.")
]
_SHOWN = 5


def require_trust(study: Study, file: Path, trusted: bool) -> None:
    """Ask before the ``python:`` models of a study file from outside the working directory are run for the first time.

    trusted: whether the user has said so already. The answer is remembered by the file's content. Raises `StudyError`
    where there is no terminal to ask on, or the answer is no.
    """
    from bench.data.cache_dir import cache_folder
    from bench.results.files import write_atomic
    from bench.results.run import LARGEST_STUDY
    from bench.study.load import read_study

    code = [entry.name for entry in study.models if entry.name.startswith("python:")]
    if not code or not file.is_file() or file.resolve().is_relative_to(Path.cwd().resolve()):
        return
    text, *_ = read_study(file, LARGEST_STUDY)
    known = cache_folder() / "trusted" / hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    if known.is_file():
        return
    if not trusted:
        _ask(file, code)
    with suppress(RunError):  # it is asked again where that cannot be kept
        write_atomic(known, "")


def _ask(file: Path, code: list[str]) -> None:
    names = printable(", ".join(code[:_SHOWN]) + (" ..." if len(code) > _SHOWN else ""), lines=False)
    told = f"{printable(str(file), lines=False)} runs code of its own on this machine: {names}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise StudyError(f"{told}. Read that code; where you trust it, run the same command again with --trust.")
    if not typer.confirm(f"{told}. Run it?", default=False, err=True):
        raise StudyError(f"{told}. Nothing was run.")
