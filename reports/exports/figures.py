"""A run's figures as files for papers: SVG, PDF and PNG at 300 dots an inch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from markupsafe import Markup
from matplotlib.figure import Figure

from bench.errors import RunError
from bench.results.output import write_output
from bench.results.run import Run
from reports.exports.base import Export, Written
from reports.figures.forest import forest
from reports.figures.learning_curves import all_curves
from reports.figures.pareto import pareto
from reports.figures.patch_size import patch_sizes
from reports.figures.phases import phases
from reports.figures.svg import INK, Names, inline, settings
from reports.inputs.columns import COSTS
from reports.inputs.entry import Entry
from reports.inputs.load import load_report_data
from reports.inputs.report_data import ReportData
from reports.inputs.significance import compute_significance
from reports.text.i18n import translator

__all__ = ["EXPORT"]

_DOTS = 300
_FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_MOST_MATRICES = 24
_MOST_COUNTED = 30
"""Classes up to which a matrix shows its counts and grows."""


def _write(run: Run, out: str | None) -> Written:
    """Write every figure that the run has something for, as NAME.svg, NAME.pdf and NAME.png.

    out: the folder; left out, ``figures`` in the run's own. Raises `RunError` where the run cannot be read, has nothing
    to draw, or the folder cannot be written.
    """
    import vl_convert

    folder = Path(out) if out else run.path / "figures"
    count = 0
    for name, figure in _figures(load_report_data([run])):
        bare = _standalone(figure, "")  # the converter takes a number without a unit for a point
        files: dict[str, str | bytes] = {
            "svg": _standalone(figure, "pt"),
            "pdf": vl_convert.svg_to_pdf(bare),
            "png": vl_convert.svg_to_png(bare, ppi=_DOTS, scale=1),
        }
        for form, content in files.items():
            write_output(folder / f"{name}.{form}", content, run.path)
            count += 1
    if not count:
        raise RunError(f"{run.path} has no cell with scores, so there is nothing to draw.")
    return Written(f"{count} files in {folder}", folder)


def _figures(data: ReportData) -> Iterator[tuple[str, Markup]]:
    _ = translator("en")
    found = {
        "scores": forest(data, compute_significance(data), _),
        "phases": phases(data, _),
        "patch-size": patch_sizes(data, _),
        "learning-curves": all_curves(data.leading, data, _),
    }
    for cost in COSTS:
        found[f"accuracy-against-{cost.key.replace('_', '-')}"] = pareto(data, cost, _)
    for entry in data.leading[:_MOST_MATRICES]:
        found[f"confusion-{_file_name(data.title(entry))}-{entry.cell_id}"] = _confusion(entry, data)
    yield from ((name, figure) for name, figure in found.items() if figure is not None)


def _file_name(title: str) -> str:
    """A part of a file name from a label that may hold anything."""
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()[:60] or "model"


def _confusion(entry: Entry, data: ReportData) -> Markup | None:
    """The confusion matrix: counts, shaded by the share of the true class."""
    if entry.result is None or not entry.result.confusion:
        return None
    counts = [list(row) for row in entry.result.confusion]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    names = Names(24)
    classes = data.classes[: len(counts)]
    size = 2.2 + 0.42 * min(len(counts), _MOST_COUNTED)
    with mpl.rc_context({**settings(), "axes.grid": False}):
        figure = Figure(figsize=(size + 0.6, size), layout="constrained")
        axes = figure.subplots()
        shown = counts if len(counts) <= _MOST_COUNTED else None
        sns.heatmap(shares, annot=shown, fmt="d", cmap="Blues", vmin=0, vmax=1, cbar=False, square=True, ax=axes)
        places = [i + 0.5 for i in range(len(classes))]
        axes.set_xticks(places, map(names.token, classes), rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, map(names.token, classes), rotation=0)
        axes.set_xlabel("Predicted")
        axes.set_ylabel("True")
        axes.set_title(names.token(data.title(entry)), color=INK)
        return inline(figure, "confusion", "Confusion matrix", names)


def _standalone(figure: Markup, unit: str) -> str:
    """An ``<svg>`` of the page as a file of its own: with its size, a font and a white ground."""
    text = str(figure)
    box = re.search(r'viewBox="([\d.\s-]+)"', text)
    assert box is not None  # `inline` writes one
    width, height = box.group(1).split()[2:]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}{unit}" height="{height}{unit}" font-family="{_FONT}" '
    )
    body = text.removeprefix("<svg ")
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    start = body.index(">") + 1
    return head + body[:start] + ground + body[start:]


EXPORT = Export(_write)
"""Every figure for papers, as SVG, PDF and PNG at 300 dots an inch; --out: the folder."""
