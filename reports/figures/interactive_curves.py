"""The interactive learning curves: an Altair specification, and the scores by epoch that the page's script puts in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.inputs.curves import SPLITS, curve, curve_scores, seeds_of
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.text.i18n import Translator

__all__ = ["curves_chart"]

_IN_LEGEND = 12


def curves_chart(entries: Sequence[Entry], data: ReportData, _: Translator) -> dict[str, Any] | None:
    """The data of the chart: scores by epoch of each configuration, the mean over its seeds with lowest and highest.

    entries: the first seed of each configuration. None where no epoch was finished.
    """
    rows = [row for entry in entries for row in _rows(entry, data)]
    if not rows:
        return None
    models = list(dict.fromkeys(row["title"] for row in rows))
    return {
        "scores": [{"key": key, "title": _(title)} for key, title in curve_scores().items()],
        "splits": [{"key": split, "title": _(split)} for split in SPLITS],
        "models": models,
        "rows": rows,
        "title": _("Learning curves"),
        "labels": {"epoch": _("Epoch"), "seeds": _("seeds")},
        "spec": _specification(_, legend=len(models) <= _IN_LEGEND),
    }


def _rows(entry: Entry, data: ReportData) -> list[dict[str, Any]]:
    seeds = seeds_of(entry, data)
    rows: dict[int, dict[str, Any]] = {}
    for split in SPLITS:
        for score in curve_scores():
            for point in curve(seeds, split, score):
                row = rows.setdefault(point.epoch, {"title": data.title(entry), "epoch": point.epoch, "seeds": 0})
                row["seeds"] = max(row["seeds"], point.seeds)
                row[f"{split}_{score}"] = [round(value, 5) for value in (point.mean, point.low, point.high)]
    return [rows[epoch] for epoch in sorted(rows)]


def _specification(_: Translator, *, legend: bool) -> dict[str, Any]:
    """Lines over bands; the script sets the data and the title of the y axis. Pointing at a line names it."""
    import altair as alt

    x = alt.X("epoch:Q", axis=alt.Axis(title=_("Epoch"), tickMinStep=1, format="d"))
    names = alt.Legend(orient="bottom", columns=4, title=None, labelLimit=240, symbolOpacity=1) if legend else None
    color = alt.Color("title:N", scale=alt.Scale(scheme="tableau20"), legend=names)
    chart = alt.Chart(alt.NamedData("rows"))
    y = alt.Y("mean:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="", format="~g"))
    band = chart.mark_area(opacity=0.15).encode(
        x=x, y=alt.Y("low:Q", scale=alt.Scale(zero=False)), y2="high:Q", color=color
    )
    line = chart.mark_line(point=alt.OverlayMarkDef(size=30)).encode(x=x, y=y, color=color, tooltip="title:N")
    spec: dict[str, Any] = alt.layer(band, line).properties(width="container", height=360).to_dict()
    return {key: value for key, value in spec.items() if key not in ("config", "datasets")}
