"""Markdown and LaTeX tables for papers."""

from __future__ import annotations

import re

from bench.results.run import Run
from bench.results.schema import CellResult
from bench.stats.confidence import interval
from reports.exports.base import text_export
from reports.inputs.entry import Entry
from reports.inputs.load import load_report_data
from reports.inputs.metrics import shown_metrics, written
from reports.text.formatting import Value, amount, duration, markdown_cell, memory, visible

__all__ = ["LATEX", "MARKDOWN"]


def _head() -> tuple[str, ...]:
    return ("Model", "Regime", "Device", *_score_titles(), "Train", "Peak RAM", "Params", "Status")


def _score_titles() -> list[str]:
    return [f"{m.title} [95 %]" if name == "accuracy" else m.title for name, m in shown_metrics().items()]


def _rows(run: Run) -> list[tuple[str, ...]]:
    data = load_report_data([run])
    return [_row(entry) for entry in [*data.ok, *data.not_ok]]


def _row(entry: Entry) -> tuple[str, ...]:
    values = _values(entry.result) if entry.result else (Value(""),) * (len(_head()) - 4)
    texts = ("" if value.is_missing else value.text for value in values)
    return (entry.label, entry.regime, entry.device, *texts, entry.status.replace("_", " "))


def _values(result: CellResult) -> tuple[Value, ...]:
    scores = (written(metric, result.metrics.get(name)) for name, metric in shown_metrics().items())
    accuracy, *others = scores
    return (
        _with_interval(accuracy, result),
        *others,
        duration(result.timings.train_seconds),
        memory(result.memory.peak_ram_mib),
        amount(result.model.parameters),
    )


def _with_interval(value: Value, result: CellResult) -> Value:
    """The accuracy followed by its 95 % interval, where there is a confusion matrix to have it from."""
    span = interval(result.confusion, "accuracy") if result.confusion else None
    if span is None or value.is_missing:
        return value
    return Value(f"{value.text} [{span.low * 100:.1f}, {span.high * 100:.1f}]", value.raw)


def _markdown_text(run: Run) -> str:
    rows = [_head(), *_rows(run)]
    lines = ["| " + " | ".join(markdown_cell(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|---|---|---|" + "---:|" * (len(_head()) - 4) + "---|")
    return "\n".join(lines) + "\n"


def _latex_text(run: Run) -> str:
    """A booktabs table; needs ``\\usepackage{booktabs}``."""
    # The empty group keeps what begins a row from the command before it, which takes a star or a bracket as its own.
    rows = ["{}" + " & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in _rows(run)]
    head = " & ".join(map(_latex_cell, _head())) + r" \\"
    return "\n".join(
        [
            rf"\begin{{tabular}}{{lll{'r' * (len(_head()) - 4)}l}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
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
