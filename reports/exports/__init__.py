"""Exports that are more than one text: figures, model cards, the runs of an experiment tracker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.errors import RunError, nearest
from bench.results.files import write_atomic
from bench.results.run import Run, load_results
from reports.exports.croissant import croissant
from reports.exports.figures import write_figures
from reports.exports.mlflow import write_mlflow
from reports.exports.model_cards import write_model_cards
from reports.exports.paper_tables import latex_text, markdown_text
from reports.exports.tables import csv_of_run, json_text

__all__ = ["DELIVERED", "FORMATS", "deliver", "export_text", "write_export"]

DELIVERED = ("figures", "model-cards", "mlflow")


def deliver(run: Run, form: str, out: str | None = None) -> str:
    """Write a run in one of the forms of `DELIVERED` and tell in a sentence what was written.

    out: the folder for figures (``RUN/figures`` by default) and model cards (beside the weights by default), the
    tracking URI for mlflow. Raises `BenchError` where that cannot be done.
    """
    if form == "figures":
        folder = Path(out) if out else run.path / "figures"
        return f"{len(write_figures(run, folder))} files in {folder}"
    if form == "model-cards":
        written = write_model_cards(run, Path(out) if out else None)
        return "\n".join(str(path) for path in written)
    if form == "mlflow":
        return f"{write_mlflow(run, out)} runs logged"
    known = (*FORMATS, *DELIVERED)
    raise RunError(f"There is no format {form!r}.{nearest(form, known)} Choose one of: {', '.join(known)}.")


def write_export(run: Run | str | Path, form: str, out: Path | None = None) -> Path:
    """Write the export and return its path; see `reports.export`."""
    opened = run if isinstance(run, Run) else load_results(run)
    text = export_text(opened, form)
    target = Path(out) if out else opened.path / f"results.{_SUFFIX[form]}"
    write_atomic(target, text)
    return target


def export_text(run: Run, form: str) -> str:
    """Return the results in a format; `RunError` for one that is not among `FORMATS`."""
    if form not in _WRITERS:
        raise RunError(f"There is no format {form!r}.{nearest(form, FORMATS)} Choose one of: {', '.join(FORMATS)}.")
    return _WRITERS[form](run)


_WRITERS: dict[str, Callable[[Run], str]] = {
    "csv": csv_of_run,
    "json": json_text,
    "markdown": markdown_text,
    "latex": latex_text,
    "croissant": croissant,
}


_SUFFIX = {"csv": "csv", "json": "json", "markdown": "md", "latex": "tex", "croissant": "croissant.json"}


FORMATS = tuple(_WRITERS)
