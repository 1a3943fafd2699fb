"""A run's results in other formats: CSV and JSON for programs, Markdown and LaTeX for papers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from bench.errors import RunError, nearest
from bench.results.run import CellResult, Run, Status, load_results, to_frame, write_atomic
from bench.stats import interval
from reports.exports.croissant import croissant
from reports.inputs.report_data import Entry, gather
from reports.text.formatting import Value, amount, duration, memory, number, percent, visible

__all__ = ["FORMATS", "csv_text", "export_text", "write_export"]

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


def _csv(run: Run) -> str:
    return csv_text(run.results())


def csv_text(results: list[CellResult]) -> str:
    """`bench.results.run.COLUMNS`, then the reason of a cell that is not ok; what was not measured is empty, never 0."""
    frame = to_frame(results)
    frame["error"] = [result.error.message if result.error else None for result in results]
    for column in frame.columns:
        frame[column] = [_inert(value) if isinstance(value, str) else value for value in frame[column]]
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def _inert(text: str) -> str:
    """A text that a spreadsheet does not take for a formula (OWASP: CSV injection): an apostrophe goes before it."""
    shown = visible(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@", "\t", "\r")) else shown


def _json(run: Run) -> str:
    rows = [result.model_dump(mode="json") for result in run.results()]
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _paper_rows(run: Run) -> list[tuple[str, ...]]:
    gathered = gather([run])
    return [_paper_row(entry) for entry in [*gathered.ok, *gathered.not_ok]]


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


def _markdown(run: Run) -> str:
    rows = [_PAPER, *_paper_rows(run)]
    lines = ["| " + " | ".join(markdown_cell(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|---|---|---|" + "---:|" * 6 + "---|")
    return "\n".join(lines) + "\n"


def markdown_cell(text: str) -> str:
    """A text that Markdown shows as it is, in a table too."""
    text = re.sub(r"\s+", " ", visible(text))
    return re.sub(r"([\\`*_\[\]<>|#~$&])", r"\\\1", text)


def _latex(run: Run) -> str:
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


_WRITERS: dict[str, Callable[[Run], str]] = {
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
    "latex": _latex,
    "croissant": croissant,
}
_SUFFIX = {"csv": "csv", "json": "json", "markdown": "md", "latex": "tex", "croissant": "croissant.json"}
FORMATS = tuple(_WRITERS)
