"""Figures that put models beside each other: scores with intervals, accuracy against cost, patch size, phases."""

from __future__ import annotations

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from reports.figures.svg import INK, Names, family_color, inline, settings
from reports.inputs.entry import Entry
from reports.inputs.metrics import compared_metrics
from reports.inputs.report_data import ReportData
from reports.inputs.significance import Significance
from reports.text.i18n import Translator

__all__ = ["forest"]

MOST_ROWS = 60
MARKERS = {"vit": "o", "cnn": "s"}


def forest(data: ReportData, significance: Significance, _: Translator) -> Markup | None:
    """Every compared metric of every tested model with its 95 % interval; other seeds as small rings."""
    rows = [entry for entry in data.ok if significance.interval(entry) and _leads(entry, significance)][:MOST_ROWS]
    if not rows:
        return None
    names = Names()
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(9.4, 0.75 + 0.27 * len(rows)))
        height = figure.get_figheight()
        figure.subplots_adjust(left=0.235, right=0.99, bottom=0.42 / height, top=1 - 0.3 / height, wspace=0.09)
        metrics = compared_metrics()
        grid = figure.subplots(1, len(metrics), sharey=True, squeeze=False)
        for axes, (name, metric) in zip(grid.flat, metrics.items(), strict=True):
            for row, entry in enumerate(rows):
                _whisker(axes, entry, row, name, data, significance)
            axes.set_title(_(metric.title))
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            if metric.format == "percent":
                axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _pos: f"{share * 100:.3g}"))
                axes.set_xlabel("%")
        figure.axes[0].set_yticks(range(len(rows)), [names.token(data.title(entry)) for entry in rows])
        figure.axes[0].set_ylim(len(rows) - 0.4, -0.6)
        for label in figure.axes[0].get_yticklabels():
            label.set_color(INK)
        text = _("Scores of each model with their 95 % intervals; the leaderboard has the same figures.")
        return inline(figure, "forest", text, names)


def _leads(entry: Entry, significance: Significance) -> bool:
    return not significance.tested or entry.key in significance.by_key


def _whisker(axes: Axes, entry: Entry, row: int, statistic: str, data: ReportData, significance: Significance) -> None:
    span = significance.interval(entry, statistic)
    if span is None:
        return
    color = family_color(entry.group)
    for other in data.ok:
        score = other.result.metrics.get(statistic) if other.result else None
        if score is not None and other is not entry and other.configuration == entry.configuration:
            axes.plot([score], [row], "o", markersize=3.2, markerfacecolor="none", color=color, markeredgewidth=0.8)
    axes.plot([span.low, span.high], [row, row], color=color, linewidth=1.6)
    axes.plot([span.estimate], [row], MARKERS.get(entry.group, "D"), color=color, markersize=5.5)
