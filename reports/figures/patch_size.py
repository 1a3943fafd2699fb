"""Accuracy, memory and time by patch size."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import seaborn as sns
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bench.results.schema import CellResult
from reports.figures.svg import VIT, inline, settings
from reports.inputs.report_data import ReportData
from reports.text.i18n import Translator

__all__ = ["patch_sizes"]


def patch_sizes(data: ReportData, _: Translator) -> Markup | None:
    """Accuracy, time to train and peak RAM of the ViTs against their patch, a line for each device and size."""
    found = [
        (entry, entry.result.model.patch)
        for entry in data.ok
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
            axes.set_xlabel(_("Patch size (pixels)"))
        text = _("Accuracy, time to train and peak RAM of the ViTs against their patch size.")
        return inline(figure, "patch", text)


def _hundred(share: float | None) -> float | None:
    return None if share is None else share * 100
