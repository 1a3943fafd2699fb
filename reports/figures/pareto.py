"""Accuracy against cost, and the models that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.figures.forest import MARKERS
from reports.figures.svg import INK, MUTED, Names, family_color, inline, settings
from reports.inputs.columns import Cost
from reports.inputs.pareto import CostPoint, cost_points, front
from reports.inputs.report_data import ReportData
from reports.text.formatting import amount, duration, plain
from reports.text.i18n import Translator

__all__ = ["pareto"]


def pareto(data: ReportData, cost: Cost, _: Translator) -> Markup | None:
    """Accuracy against a cost on a log axis, with the front line; the image behind the explorer."""
    points = cost_points(data.ok, cost)
    if len(points) < 2:
        return None
    names = Names(24)
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(9.4, 4.3))
        figure.subplots_adjust(left=0.06, right=0.985, bottom=0.12, top=0.965)
        axes = figure.subplots()
        _draw_front(axes, front(points), data, _middle(points), names)
        for point in points:
            color, group = family_color(point.entry.group), point.entry.group
            fill = color if point.entry.device == "cpu" else "none"
            axes.plot(
                point.cost, point.accuracy, MARKERS.get(group, "D"), color=color, markerfacecolor=fill, markersize=6
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(_log_ticks(points))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _pos: (plain if x < 1e5 else amount)(x).text))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{_(cost.title)} ({cost.unit})" if cost.unit and cost.unit != "s" else _(cost.title))
        if cost.unit == "s":
            axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _pos: duration(seconds).text))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _pos: f"{share * 100:.3g} %"))
        text = _("Accuracy against cost, with the Pareto front: the cells that no other beats in both.")
        return inline(figure, "pareto", text, names)


def _draw_front(axes: Axes, line: Sequence[CostPoint], data: ReportData, middle: float, names: Names) -> None:
    """The line, and the name of each point on it, towards the middle of the axis."""
    steps = zip(*((point.cost, point.accuracy) for point in line), strict=True)
    axes.step(*steps, where="post", color=MUTED, linewidth=1, linestyle=(0, (3, 2)))
    best = {data.title(point.entry): point for point in line}  # of seeds that share a name, the best
    for name, point in best.items():
        is_right = point.cost > middle
        axes.annotate(
            names.token(name), (point.cost, point.accuracy), (-7 if is_right else 7, 5), textcoords="offset points",
            ha="right" if is_right else "left", fontsize=8.5, color=INK,
        )  # fmt: skip


def _log_ticks(points: Sequence[CostPoint]) -> LogLocator:
    """Ticks at each power of ten, and between them where the costs span few: those alone may all lie outside."""
    costs = [point.cost for point in points]
    return LogLocator(subs=(1, 2, 3, 5) if max(costs) < 30 * min(costs) else (1,))


def _middle(points: Sequence[CostPoint]) -> float:
    costs = [point.cost for point in points]
    return float((min(costs) * max(costs)) ** 0.5)
