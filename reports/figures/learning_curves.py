"""The page's static figures, drawn with seaborn and matplotlib, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.figures.svg import MUTED, VIT, Names, family_color, inline, settings
from reports.inputs.report_data import Entry, ReportData
from reports.text.i18n import N_, Translate

__all__ = ["all_curves", "learning_curves"]

_ACROSS = 4

_PANELS = (
    ("loss", N_("Loss")),
    ("accuracy", N_("Accuracy")),
    ("balanced_accuracy", N_("Balanced accuracy")),
    ("kappa", N_("Kappa")),
)


def learning_curves(entry: Entry, _: Translate) -> Markup | None:
    """Loss and scores by epoch on train (gray, dashed) and validation; None where no epoch was finished."""
    if not entry.history:
        return None
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(6.6, 4.1))
        figure.subplots_adjust(left=0.065, right=0.995, bottom=0.115, top=0.945, wspace=0.17, hspace=0.2)
        for axes, (key, title) in zip(figure.subplots(2, 2, sharex=True).flat, _PANELS, strict=True):
            _panel(axes, entry, key)
            axes.set_title(_(title))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        for axes in figure.axes[2:]:
            axes.set_xlabel(_("Epoch"))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        text = _("Loss, accuracy, balanced accuracy and kappa by epoch, on train and validation images.")
        return inline(figure, f"lc-{entry.key}", text)


def all_curves(entries: Sequence[Entry], data: ReportData, _: Translate) -> Markup | None:
    """Validation and training accuracy by epoch, a small panel for each configuration, with a band over its seeds."""
    seeds = {id(entry): [e for e in data.ok if _same(e, entry)] for entry in entries}
    drawn = [entry for entry in entries if any(_series(e.history, "validation", "accuracy") for e in seeds[id(entry)])]
    if len(drawn) < 2:
        return None
    names = Names(24)
    rows = -(-len(drawn) // _ACROSS)
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(9.4, 0.45 + 1.55 * rows))
        height = figure.get_figheight()
        figure.subplots_adjust(
            left=0.05, right=0.995, bottom=0.42 / height, top=1 - 0.25 / height, wspace=0.12, hspace=0.42
        )
        panels = figure.subplots(rows, _ACROSS, sharex=True, sharey=True, squeeze=False)
        for axes, entry in zip(panels.flat, drawn, strict=False):
            _band(axes, seeds[id(entry)], entry.group)
            axes.set_title(names.token(data.title(entry)), fontsize=9)
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _pos: f"{share * 100:.3g}"))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        for axes in panels.flat[len(drawn) :]:
            axes.set_visible(False)
        for axes in panels.flat[len(drawn) - _ACROSS : len(drawn)]:
            axes.tick_params(labelbottom=True)
        for axes in panels[-1]:
            axes.set_xlabel(_("Epoch"))
        panels[0][0].set_ylabel("%")
        return inline(figure, "curves", _("Accuracy by epoch on validation and training images."), names)


def _same(a: Entry, b: Entry) -> bool:
    return a.configuration == b.configuration and a.run_name == b.run_name


def _band(axes: Axes, entries: Sequence[Entry], group: str) -> None:
    import seaborn as sns

    for part, color, style in (("train", MUTED, (0, (4, 2))), ("validation", family_color(group), "-")):
        found = [point for entry in entries for point in _series(entry.history, part, "accuracy")]
        if found:
            epochs, scores = zip(*found, strict=True)
            band = ("pi", 100) if part == "validation" and len(entries) > 1 else None
            sns.lineplot(
                x=list(epochs), y=list(scores), color=color, linestyle=style, linewidth=1.4, errorbar=band, ax=axes
            )
    axes.set(xlabel="", ylabel="")


def _panel(axes: Axes, entry: Entry, key: str) -> None:
    best = entry.result.best_epoch if entry.result else None
    for part, color, style in (("train", MUTED, (0, (4, 2))), ("validation", VIT, "-")):
        points = [(epoch, value) for epoch, value in _series(entry.history, part, key)]
        if not points:
            continue
        marker = "o" if len(points) < 3 else ""
        axes.plot(*zip(*points, strict=True), color=color, linestyle=style, linewidth=1.5, marker=marker, markersize=3)
        chosen = [value for epoch, value in points if epoch == best]
        if part == "validation" and chosen and best is not None:
            axes.plot([best], chosen, "o", color=color, markersize=5)


def _series(history: list[dict[str, Any]], part: str, key: str) -> list[tuple[float, float]]:
    found = []
    for line in history:
        scores, epoch = line.get(part), line.get("epoch")
        value = scores.get(key) if isinstance(scores, dict) else None
        if isinstance(value, int | float) and isinstance(epoch, int | float):
            found.append((float(epoch), float(value)))
    return found
