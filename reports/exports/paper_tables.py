"""Markdown and LaTeX tables for papers."""

from __future__ import annotations

import re

from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.stats.confidence import interval
from reports.exports.base import text_export
from reports.inputs.entry import Entry
from reports.inputs.load import load_report_data
from reports.text.formatting import Value, amount, duration, markdown_cell, memory, number, percent, visible

__all__ = ["LATEX", "MARKDOWN"]


_PAPER = (
    "Model",
    "Regime",
    "Device",
    "Accuracy [95 %]",
    "Balanced acc.",
    "Kappa",
    "Train",
    "Peak RAM",
    "Params",
    "Status",
)


def _paper_rows(run: Run) -> list[tuple[str, ...]]:
    data = load_report_data([run])
    return [_paper_row(entry) for entry in [*data.ok, *data.not_ok]]


def _paper_row(entry: Entry) -> tuple[str, ...]:
    result = entry.result or CellResult(id="", cell={}, label=entry.label, status=Status.INTERRUPTED)
    values: tuple[Value, ...] = (
        _with_interval(percent(result.metrics.get("accuracy")), result),
        percent(result.metrics.get("balanced_accuracy")),
        number(result.metrics.get("kappa")),
        duration(result.timings.train_seconds),
        memory(result.memory.peak_ram_mib),
        amount(result.model.parameters),
    )
    texts = ("" if value.is_missing else value.text for value in values)
    return (entry.label, entry.regime, entry.device, *texts, entry.status.replace("_", " "))


def _with_interval(value: Value, result: CellResult) -> Value:
    """The accuracy followed by its 95 % interval, where there is a confusion matrix to have it from."""
    span = interval(result.confusion, "accuracy") if result.confusion else None
    if span is None or value.is_missing:
        return value
    return Value(f"{value.text} [{span.low * 100:.1f}, {span.high * 100:.1f}]", value.raw)


def _markdown_text(run: Run) -> str:
    rows = [_PAPER, *_paper_rows(run)]
    lines = ["| " + " | ".join(markdown_cell(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|---|---|---|" + "---:|" * 6 + "---|")
    return "\n".join(lines) + "\n"


def _latex_text(run: Run) -> str:
    """A booktabs table; needs ``\\usepackage{booktabs}``."""
    # The empty group keeps what begins a row from the command before it, which takes a star or a bracket as its own.
    rows = ["{}" + " & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in _paper_rows(run)]
    head = " & ".join(map(_latex_cell, _PAPER)) + r" \\"
    return "\n".join(
        [r"\begin{tabular}{lllrrrrrrl}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", ""]
    )


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def _latex_cell(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in re.sub(r"\s+", " ", visible(text)))


MARKDOWN = text_export("md", _markdown_text)
"""A table with a row a cell, for a README."""

LATEX = text_export("tex", _latex_text)
"""The same table for a paper, in the style of booktabs."""
