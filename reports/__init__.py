"""Reports: reads stored results and renders them. Never imports torch; imports its libraries when first used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.results.run import Run
    from reports.comparison.runs import Compared

__all__ = ["compare_runs", "export", "render_report"]

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells where it keeps its list of fonts


def render_report(runs: Sequence[Run | str | Path], out: Path | None = None, *, lang: str = "en") -> Path:
    """Write one self-contained, offline HTML file on one run, or on several with the same test images.

    out: left out, ``report.html`` in the first run's folder. Returns the path. Raises `bench.errors.RunError` where
    a run cannot be read, runs do not belong together, the language is unknown, or the file cannot be written.
    """
    from bench.errors import RunError
    from reports.page.render import render

    try:
        import matplotlib as mpl  # noqa: F401 - it needs a folder for its list of fonts, a temporary one if need be
    except OSError as error:
        raise RunError(f"no figure can be drawn: {error}.") from error
    return render(runs, out, lang=lang)


def compare_runs(
    before: Run | str | Path, after: Run | str | Path, out: Path | None = None, *, lang: str = "en"
) -> Compared:
    """Compare two runs: what became better or worse, beyond noise; ``out``: an HTML file to write it to as well.

    Raises `bench.errors.RunError` where a run cannot be read, they do not hold the same test images, the language is
    unknown, or the file cannot be written.
    """
    from reports.comparison.page import write_page
    from reports.comparison.runs import compare
    from reports.text.i18n import translator

    translate = translator(lang)
    compared = compare(before, after, translate)
    if out is not None:
        write_page(compared, out, translate, lang)
    return compared


def export(run: Run | str | Path, format: str, out: Path | None = None) -> Path:  # noqa: A002 - the option's name
    """Write a run in one of the forms of `reports.exports.EXPORTS`: ``csv``, ``latex``, ``croissant`` ...

    out: the file, or the folder of a form that writes several; left out, ``results.csv`` (.json, .md ...), ``figures``
    or the like in the run's folder. Returns the path of what was written; that of the run for a form that writes to no
    file (``mlflow``). Raises `bench.errors.RunError` for an unknown form, an unreadable run or a file that cannot be
    written.
    """
    from reports.exports import write_export

    written = write_export(run, format, out)
    if written.path is not None:
        return written.path
    return Path(run) if isinstance(run, str | Path) else run.path
