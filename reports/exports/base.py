"""What a form of export is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.results.output import write_output
from bench.results.run import Run

__all__ = ["Export", "Written", "text_export"]


@dataclass(frozen=True)
class Written:
    """What an export wrote."""

    summary: str
    """For the terminal."""
    path: Path | None
    """The file, or the folder that the files lie in; None where it went to no file of ours."""


@dataclass(frozen=True)
class Export:
    """A form in which a run can be written; its name is that in `reports.exports.EXPORTS`."""

    write: Callable[[Run, str | None], Written]
    """Write a run to the place that is given as text, or to the form's own where it is None.

    Raises `BenchError` where that cannot be done."""
    text: Callable[[Run], str] | None = None
    """The whole export as one text, for the terminal; None where it is more than one text."""


def text_export(suffix: str, text: Callable[[Run], str]) -> Export:
    """Return the export that is one text file, by default ``results.SUFFIX`` in the run's folder."""

    def write(run: Run, out: str | None) -> Written:
        path = Path(out) if out else run.path / f"results.{suffix}"
        write_output(path, text(run), run.path)
        return Written(str(path), path)

    return Export(write, text)
