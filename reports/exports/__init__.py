"""A run in the forms that others read. One more takes its module, and a line here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import RunError, StudyError
from bench.registry import Registry

if TYPE_CHECKING:
    from bench.results.run import Run
    from reports.exports.base import Export, Written

__all__ = ["EXPORTS", "write_export"]

EXPORTS: Registry[Export] = Registry(
    "export format",
    {
        "csv": "reports.exports.tables:CSV",
        "json": "reports.exports.tables:JSON",
        "markdown": "reports.exports.paper_tables:MARKDOWN",
        "latex": "reports.exports.paper_tables:LATEX",
        "figures": "reports.exports.figures:EXPORT",
        "model-cards": "reports.exports.model_cards:EXPORT",
        "croissant": "reports.exports.croissant:EXPORT",
        "mlflow": "reports.exports.mlflow:EXPORT",
    },
    group="patchbench.exports",
)


def write_export(run: Run | str | Path, name: str, out: str | Path | None = None) -> Written:
    """Write a run in one of the forms of `EXPORTS`; see `reports.export`."""
    from bench.results.run import load_results

    try:
        export = EXPORTS.load(name)
    except StudyError as error:
        raise RunError(str(error)) from None
    opened = load_results(run) if isinstance(run, str | Path) else run
    return export.write(opened, None if out is None else str(out))
