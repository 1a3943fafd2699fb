"""Exports that are more than one text: figures, model cards, the runs of an experiment tracker."""

from __future__ import annotations

from pathlib import Path

from bench.errors import RunError, nearest
from bench.results.run import Run
from reports.exports.figures import write_figures
from reports.exports.mlflow import write_mlflow
from reports.exports.model_cards import write_model_cards
from reports.exports.tables import FORMATS

__all__ = ["DELIVERED", "deliver"]

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
