"""A run's cells as runs of an MLflow experiment; needs ``patchbench[mlflow]``."""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from bench.errors import DependencyError, RunError
from bench.results.history import PassScores
from bench.results.run import Run
from bench.results.schema import CellResult
from bench.results.table import to_frame
from reports.exports.base import Export, Written
from reports.text.formatting import visible

__all__ = ["EXPORT"]

_NAMES = ("cell", "model", "family", "regime", "device", "precision", "seed", "status")


def _write(run: Run, out: str | None) -> Written:
    """Log every cell as an MLflow run of an experiment named after the study.

    out: an MLflow tracking URI, such as ``sqlite:///mlflow.db``; left out, what MLflow itself is set to. A cell that is
    not ok is logged as FAILED, with its status as a tag. Raises `DependencyError` where mlflow is not installed,
    `RunError` where MLflow refuses.
    """
    if find_spec("mlflow") is None:
        raise DependencyError("the export to MLflow needs mlflow: pip install 'patchbench[mlflow]'")
    mlflow = import_module("mlflow")  # optional
    results = run.results()
    rows = to_frame(results).to_dict("records")
    try:
        if out is not None:
            mlflow.set_tracking_uri(out)
        mlflow.set_experiment(run.study.name)
        for result, row in zip(results, rows, strict=True):
            _log(mlflow, run, result, row)
    except mlflow.exceptions.MlflowException as error:
        raise RunError(
            f"MLflow refused: {str(error).splitlines()[0]} Check the tracking URI given with --out."
        ) from error
    return Written(f"{len(results)} runs logged", None)


def _log(mlflow: Any, run: Run, result: CellResult, row: dict[Any, Any]) -> None:
    name = visible(f"{result.label} {result.cell.regime} {result.cell.device}")
    with mlflow.start_run(run_name=name):
        mlflow.log_params({key: visible(row[key]) if isinstance(row[key], str) else row[key] for key in _NAMES})
        mlflow.set_tag("patchbench.status", result.status.value)
        figures = {name: value for name, value in row.items() if name not in _NAMES and _is_figure(value)}
        mlflow.log_metrics({name: float(value) for name, value in figures.items()})
        for line in run.history(result.id):
            for split in ("train", "validation"):
                scores: PassScores | None = getattr(line, split)
                known = {f"{split}_{name}": value for name, value in scores or () if _is_figure(value)}
                mlflow.log_metrics(known, step=line.epoch)
        if result.status.value != "ok":
            mlflow.end_run("FAILED")


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


EXPORT = Export(_write)
"""A run of an MLflow experiment for each cell; --out: the tracking URI."""
