"""A run's results for programs: CSV and JSON."""

from __future__ import annotations

import json

from bench.results.run import Run
from bench.results.schema import CellResult
from bench.results.table import to_frame
from reports.exports.base import text_export
from reports.text.formatting import escaped, visible
from reports.text.messages import word

__all__ = ["CSV", "JSON", "csv_text"]


def csv_text(results: list[CellResult]) -> str:
    """The columns of `to_frame`, then the reason of a cell that is not ok; what was not measured is empty, never 0."""
    frame = to_frame(results)
    frame["error"] = [word(result.error.notice) if result.error else None for result in results]
    for column in frame.columns:
        frame[column] = [_inert(value) if isinstance(value, str) else value for value in frame[column]]
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def _inert(text: str) -> str:
    """A text that a spreadsheet does not take for a formula (OWASP: CSV injection): an apostrophe goes before it."""
    shown = visible(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@", "\t", "\r")) else shown


def _json_text(run: Run) -> str:
    rows = [result.model_dump(mode="json") for result in run.results()]
    return escaped(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


CSV = text_export("csv", lambda run: csv_text(run.results()))
"""A row a cell, for spreadsheets and data frames."""

JSON = text_export("json", _json_text)
"""The full result of every cell."""
