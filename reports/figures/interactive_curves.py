"""The interactive learning curves: an Altair specification, and the scores by epoch that the page's script puts in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from reports.inputs.report_data import Entry, ReportData
from reports.text.i18n import N_, Translate

__all__ = ["curves_chart"]

_SCORES = (
    ("accuracy", N_("Accuracy")),
    ("balanced_accuracy", N_("Balanced accuracy")),
    ("kappa", N_("Kappa")),
    ("loss", N_("Loss")),
)
_IN_LEGEND = 12
_SIDES = ("validation", "train")


def curves_chart(entries: Sequence[Entry], data: ReportData, _: Translate) -> dict[str, Any] | None:
    """The data of the chart: scores by epoch of each configuration, the mean over its seeds with lowest and highest.

    entries: the first seed of each configuration. None where no epoch was finished.
    """
    rows = [row for entry in entries for row in _rows(entry, data)]
    if not rows:
        return None
    models = list(dict.fromkeys(row["title"] for row in rows))
    return {
        "scores": [{"key": key, "title": _(title)} for key, title in _SCORES],
        "sides": [{"key": side, "title": _(side)} for side in _SIDES],
        "models": models,
        "rows": rows,
        "title": _("Learning curves"),
        "labels": {"epoch": _("Epoch"), "seeds": _("seeds")},
        "spec": _specification(_, legend=len(models) <= _IN_LEGEND),
    }


def _rows(entry: Entry, data: ReportData) -> list[dict[str, Any]]:
    twins = [e for e in data.ok if e.configuration == entry.configuration and e.run_name == entry.run_name]
    found: dict[int, list[dict[str, Any]]] = {}
    for twin in twins:
        for line in twin.history:
            if isinstance(line.get("epoch"), int):
                found.setdefault(line["epoch"], []).append(line)
    rows = []
    for epoch, lines in sorted(found.items()):
        row: dict[str, Any] = {"title": data.title(entry), "epoch": epoch, "seeds": len(lines)}
        for side in _SIDES:
            for key, _title in _SCORES:
                scores = [line[side].get(key) for line in lines if isinstance(line.get(side), dict)]
                values = [value for value in scores if isinstance(value, int | float) and math.isfinite(value)]
                if values:
                    row[f"{side}_{key}"] = [round(v, 5) for v in (fmean(values), min(values), max(values))]
        rows.append(row)
    return rows


def _specification(_: Translate, *, legend: bool) -> dict[str, Any]:
    """Lines over bands; the script sets the data and the title of the y axis. Without a legend, pointing tells."""
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
