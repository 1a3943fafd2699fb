"""Accuracy against cost, and the models that no other beats in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.results.schema import CellResult
from reports.figures.forest import MARKERS
from reports.figures.svg import INK, MUTED, Names, family_color, inline, settings
from reports.inputs.report_data import ReportData
from reports.text.formatting import amount, duration, plain
from reports.text.i18n import Translate

__all__ = ["front", "pareto"]


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, accuracy) that no other beats: cheaper or equal, and more accurate."""
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    best, kept = float("-inf"), []
    for index in order:
        if points[index][1] > best:
            best = points[index][1]
            kept.append(index)
    return kept


def pareto(
    data: ReportData, cost: Callable[[CellResult], float | None], title: str, is_time: bool, _: Translate
) -> Markup | None:
    """Accuracy against a cost on a log axis, with the front line; the picture behind the explorer."""
    found = [
        (entry, cost(entry.result), entry.result.metrics["accuracy"])
        for entry in data.ok
        if entry.result and entry.result.metrics.get("accuracy") is not None and cost(entry.result)
    ]
    points = [(spent, score) for _entry, spent, score in found if spent is not None and score is not None]
    if len(points) < 2:
        return None
    names = Names(24)
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(9.4, 4.3))
        figure.subplots_adjust(left=0.06, right=0.985, bottom=0.12, top=0.965)
        axes = figure.subplots()
        line_of = front(points)
        line = [points[index] for index in line_of]
        axes.step(*zip(*line, strict=True), where="post", color=MUTED, linewidth=1, linestyle=(0, (3, 2)))
        for (entry, *_rest), point in zip(found, points, strict=True):
            fill = family_color(entry.group) if entry.device == "cpu" else "none"
            marker = MARKERS.get(entry.group, "D")
            axes.plot(*point, marker, color=family_color(entry.group), markerfacecolor=fill, markersize=6)
        best = {data.title(found[index][0]): index for index in line_of}  # of seeds that share a name, the best
        for name, index in best.items():
            token = names.token(name)
            right = points[index][0] > (points[0][0] if len(points) == 1 else _middle(points))
            axes.annotate(
                token, points[index], (-7 if right else 7, 5), textcoords="offset points",
                ha="right" if right else "left", fontsize=8.5, color=INK,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(_log_ticks(points))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _pos: (plain if x < 1e5 else amount)(x).text))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(title)
        if is_time:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _pos: duration(seconds).text))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _pos: f"{share * 100:.3g} %"))
        text = _("Accuracy against cost, with the line of the cells that no other beats in both.")
        return inline(figure, "pareto", text, names)


def _log_ticks(points: Sequence[tuple[float, float]]) -> LogLocator:
    """Ticks at each power of ten, and between them where the costs span few: those alone may all lie outside."""
    costs = [cost for cost, _score in points]
    return LogLocator(subs=(1, 2, 3, 5) if max(costs) < 30 * min(costs) else (1,))


def _middle(points: Sequence[tuple[float, float]]) -> float:
    costs = [cost for cost, _score in points]
    return float((min(costs) * max(costs)) ** 0.5)
