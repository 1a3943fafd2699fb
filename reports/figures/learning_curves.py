"""The page's static figures of learning curves, drawn with matplotlib, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.figures.svg import MUTED, VIT, Names, family_color, inline, settings
from reports.inputs.curves import CurveSplit, curve, curve_scores, seeds_of
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.text.i18n import Translator

__all__ = ["all_curves", "learning_curves"]

_ACROSS = 4


def learning_curves(entry: Entry, _: Translator) -> Markup | None:
    """Loss and scores by epoch on train (gray, dashed) and validation; None where no epoch was finished."""
    if not entry.history:
        return None
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(6.6, 4.1))
        figure.subplots_adjust(left=0.065, right=0.995, bottom=0.115, top=0.945, wspace=0.17, hspace=0.2)
        scores = curve_scores()
        panels = {"loss": scores.pop("loss"), **scores}
        for axes, (key, title) in zip(figure.subplots(2, 2, sharex=True).flat, panels.items(), strict=True):
            _panel(axes, entry, key)
            axes.set_title(_(title))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        for axes in figure.axes[2:]:
            axes.set_xlabel(_("Epoch"))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        text = _("Loss, accuracy, balanced accuracy and kappa by epoch, on train and validation images.")
        return inline(figure, f"lc-{entry.key}", text)


def all_curves(entries: Sequence[Entry], data: ReportData, _: Translator) -> Markup | None:
    """Validation and training accuracy by epoch, a small panel for each configuration, with a band over its seeds."""
    seeds = {entry.key: seeds_of(entry, data) for entry in entries}
    shown = [entry for entry in entries if curve(seeds[entry.key], "validation", "accuracy")]
    if len(shown) < 2:
        return None
    names = Names(24)
    rows = -(-len(shown) // _ACROSS)
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(9.4, 0.45 + 1.55 * rows))
        height = figure.get_figheight()
        figure.subplots_adjust(
            left=0.05, right=0.995, bottom=0.42 / height, top=1 - 0.25 / height, wspace=0.12, hspace=0.42
        )
        panels = figure.subplots(rows, _ACROSS, sharex=True, sharey=True, squeeze=False)
        for axes, entry in zip(panels.flat, shown, strict=False):
            _band(axes, seeds[entry.key], entry.group)
            axes.set_title(names.token(data.title(entry)), fontsize=9)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _pos: f"{share * 100:.3g}"))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        for axes in panels.flat[len(shown) :]:
            axes.set_visible(False)
        for axes in panels.flat[len(shown) - _ACROSS : len(shown)]:
            axes.tick_params(labelbottom=True)
        for axes in panels[-1]:
            axes.set_xlabel(_("Epoch"))
        panels[0][0].set_ylabel("%")
        return inline(figure, "curves", _("Accuracy by epoch on validation and training images."), names)


def _band(axes: Axes, entries: Sequence[Entry], group: str) -> None:
    for split, color, style in _lines(family_color(group)):
        points = curve(entries, split, "accuracy")
        epochs = [point.epoch for point in points]
        axes.plot(epochs, [point.mean for point in points], color=color, linestyle=style, linewidth=1.4)
        if split == "validation" and len(entries) > 1:
            low, high = [point.low for point in points], [point.high for point in points]
            axes.fill_between(epochs, low, high, color=color, alpha=0.2)


def _panel(axes: Axes, entry: Entry, key: str) -> None:
    best = entry.result.best_epoch if entry.result else None
    for split, color, style in _lines(VIT):
        points = [(point.epoch, point.mean) for point in curve([entry], split, key)]
        if not points:
            continue
        marker = "o" if len(points) < 3 else ""
        axes.plot(*zip(*points, strict=True), color=color, linestyle=style, linewidth=1.5, marker=marker, markersize=3)
        chosen = [value for epoch, value in points if epoch == best]
        if split == "validation" and chosen and best is not None:
            axes.plot([best], chosen, "o", color=color, markersize=5)


def _lines(color: str) -> tuple[tuple[CurveSplit, str, Any], ...]:
    """Training broken and gray, validation over it in a color."""
    return ("train", MUTED, (0, (4, 2))), ("validation", color, "-")
