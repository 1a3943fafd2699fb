"""Figures that put models beside each other: scores with intervals, accuracy against cost, patch size, phases."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import seaborn as sns
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.results.run import CellResult
from reports.figures.svg import CNN, INK, MUTED, OTHER, VIT, Names, family_colour, inline, settings
from reports.inputs.report_data import Entry, Gathered
from reports.inputs.significance import Evidence
from reports.text.formatting import amount, duration, plain
from reports.text.i18n import Translate

__all__ = ["PHASES", "forest", "front", "pareto", "patch_sizes", "phases"]

MOST_ROWS = 60
_STATISTICS = (("accuracy", "Accuracy"), ("balanced_accuracy", "Balanced accuracy"), ("kappa", "Kappa"))
_MARKERS = {"vit": "o", "cnn": "s"}
PHASES = (
    ("import_seconds", "start-up", MUTED),
    ("data_seconds", "data", OTHER),
    ("model_seconds", "model", "#2a9d8f"),
    ("warmup_seconds", "warm-up", "#d4a72c"),
    ("train_seconds", "training", VIT),
    ("evaluate_seconds", "evaluation", CNN),
)


def forest(gathered: Gathered, evidence: Evidence, _: Translate) -> Markup | None:
    """Accuracy, balanced accuracy and kappa of every tested model with 95 % intervals; other seeds as small rings."""
    rows = [entry for entry in gathered.ok if evidence.interval(entry) and _leads(entry, evidence)][:MOST_ROWS]
    if not rows:
        return None
    names = Names()
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(9.4, 0.75 + 0.27 * len(rows)))
        height = figure.get_figheight()
        figure.subplots_adjust(left=0.235, right=0.99, bottom=0.42 / height, top=1 - 0.3 / height, wspace=0.09)
        for axes, (statistic, title) in zip(figure.subplots(1, 3, sharey=True), _STATISTICS, strict=True):
            for row, entry in enumerate(rows):
                _whisker(axes, entry, row, statistic, gathered, evidence)
            axes.set_title(_(title))
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            if statistic != "kappa":
                axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _pos: f"{share * 100:.3g}"))
                axes.set_xlabel("%")
        figure.axes[0].set_yticks(range(len(rows)), [names.token(gathered.title(entry)) for entry in rows])
        figure.axes[0].set_ylim(len(rows) - 0.4, -0.6)
        for label in figure.axes[0].get_yticklabels():
            label.set_color(INK)
        text = _("Scores of each model with their 95 % intervals; the leaderboard has the same figures.")
        return inline(figure, "forest", text, names)


def _leads(entry: Entry, evidence: Evidence) -> bool:
    return not evidence.tested or entry.key in evidence.by_key


def _whisker(axes: Axes, entry: Entry, row: int, statistic: str, gathered: Gathered, evidence: Evidence) -> None:
    span = evidence.interval(entry, statistic)
    if span is None:
        return
    colour = family_colour(entry.group)
    for other in gathered.ok:
        score = other.result.metrics.get(statistic) if other.result else None
        if score is not None and other is not entry and other.configuration == entry.configuration:
            axes.plot([score], [row], "o", markersize=3.2, markerfacecolor="none", color=colour, markeredgewidth=0.8)
    axes.plot([span.low, span.high], [row, row], color=colour, linewidth=1.6)
    axes.plot([span.estimate], [row], _MARKERS.get(entry.group, "D"), color=colour, markersize=5.5)


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
    gathered: Gathered, cost: Callable[[CellResult], float | None], title: str, is_time: bool, _: Translate
) -> Markup | None:
    """Accuracy against a cost on a log axis, with the front line; the picture behind the explorer."""
    found = [
        (entry, cost(entry.result), entry.result.metrics["accuracy"])
        for entry in gathered.ok
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
            fill = family_colour(entry.group) if entry.device == "cpu" else "none"
            marker = _MARKERS.get(entry.group, "D")
            axes.plot(*point, marker, color=family_colour(entry.group), markerfacecolor=fill, markersize=6)
        best = {gathered.title(found[index][0]): index for index in line_of}  # of seeds that share a name, the best
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


def patch_sizes(gathered: Gathered, _: Translate) -> Markup | None:
    """Accuracy, time to train and peak RAM of the ViTs against their patch, a line for each device and size."""
    found = [
        (entry, entry.result.model.patch)
        for entry in gathered.ok
        if entry.result and entry.group == "vit" and entry.result.model.patch
    ]
    if len({patch for _entry, patch in found}) < 2:
        return None
    panels: tuple[tuple[str, Callable[[CellResult], float | None]], ...] = (
        (_("Accuracy (%)"), lambda r: _hundred(r.metrics.get("accuracy"))),
        (_("Time to train (s)"), lambda r: r.timings.train_seconds),
        (_("Peak RAM (MiB)"), lambda r: r.memory.peak_ram_mib),
    )
    patches = sorted({patch for _entry, patch in found if patch})
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(9.4, 3.0))
        figure.subplots_adjust(left=0.05, right=0.99, bottom=0.17, top=0.9, wspace=0.2)
        for axes, (title, value) in zip(figure.subplots(1, 3), panels, strict=True):
            points = [(entry, patch, value(entry.result)) for entry, patch in found if entry.result]
            kept = [(e, p, v) for e, p, v in points if v is not None]
            sns.scatterplot(
                x=[p for _e, p, _v in kept],
                y=[v for _e, _p, v in kept],
                style=["cpu" if e.device == "cpu" else "other" for e, _p, _v in kept],
                markers={"cpu": "o", "other": "^"},
                color=VIT,
                s=38,
                linewidth=0,
                legend=False,
                ax=axes,
            )
            axes.set_title(title)
            axes.set_xscale("log", base=2)
            axes.set_xticks(patches, [str(patch) for patch in patches])
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel(_("Side of a patch (pixels)"))
        text = _("Accuracy, time to train and peak RAM of the ViTs against the side of their patches.")
        return inline(figure, "patch", text)


def _hundred(share: float | None) -> float | None:
    return None if share is None else share * 100


def phases(gathered: Gathered, _: Translate) -> Markup | None:
    """Seconds of each phase of the first seed of every configuration, at most `MOST_ROWS` of them."""
    rows = [e for e in gathered.leading if e.result and e.result.timings.train_seconds is not None][:MOST_ROWS]
    if not rows:
        return None
    names = Names(34)
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(9.4, 0.65 + 0.24 * len(rows)))
        height = figure.get_figheight()
        figure.subplots_adjust(left=0.27, right=0.985, bottom=0.45 / height, top=1 - 0.08 / height)
        axes = figure.subplots()
        for row, entry in enumerate(rows):
            _bar(axes, row, entry)
        tokens = [names.token(gathered.title(entry)) for entry in rows]
        axes.set_yticks(range(len(rows)), tokens)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda s, _pos: duration(s).text if s else "0"))
        text = _("Seconds of each phase of the cells; the table below has the figures.")
        return inline(figure, "phases", text, names)


def _bar(axes: Axes, row: int, entry: Entry) -> None:
    assert entry.result is not None  # rows were chosen by their timings
    left = 0.0
    for key, _title, colour in PHASES:
        seconds = getattr(entry.result.timings, key)
        if seconds:
            axes.barh(row, seconds, left=left, color=colour, height=0.62, linewidth=0)
            left += seconds
