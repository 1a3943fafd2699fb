"""Where the time of each cell went."""

from __future__ import annotations

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from reports.figures.forest import MOST_ROWS
from reports.figures.svg import CNN, MUTED, OTHER, VIT, Names, inline, settings
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.text.formatting import duration
from reports.text.i18n import N_, Translator

__all__ = ["PHASES", "phases"]


PHASES = (
    ("import_seconds", N_("start-up"), MUTED),
    ("data_seconds", N_("data"), OTHER),
    ("model_seconds", N_("model"), "#2a9d8f"),
    ("warmup_seconds", N_("warm-up"), "#d4a72c"),
    ("train_seconds", N_("training"), VIT),
    ("evaluate_seconds", N_("evaluation"), CNN),
)


def phases(data: ReportData, _: Translator) -> Markup | None:
    """Seconds of each phase of the first seed of every configuration, at most `MOST_ROWS` of them."""
    rows = [e for e in data.leading if e.result and e.result.timings.train_seconds is not None][:MOST_ROWS]
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
        tokens = [names.token(data.title(entry)) for entry in rows]
        axes.set_yticks(range(len(rows)), tokens)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda s, _pos: duration(s).text if s else "0"))
        text = _("Seconds of each phase of the cells; the table below has the figures.")
        return inline(figure, "phases", text, names)


def _bar(axes: Axes, row: int, entry: Entry) -> None:
    assert entry.result is not None  # rows were chosen by their timings
    left = 0.0
    for key, _title, color in PHASES:
        seconds = getattr(entry.result.timings, key)
        if seconds:
            axes.barh(row, seconds, left=left, color=color, height=0.62, linewidth=0)
            left += seconds
