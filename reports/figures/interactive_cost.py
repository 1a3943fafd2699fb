"""The interactive chart: an Altair specification, and vl-convert's bundle of Vega that draws it without the network.

The specification holds no names and no figures: the page's script puts them in as data, so nothing hostile is ever
part of the code. The script draws with Vega's interpreter, since the page's policy forbids making code from strings.
"""

from __future__ import annotations

import json
from typing import Any

from reports.figures.svg import CNN, MUTED, OTHER, VIT
from reports.inputs.columns import COLUMNS, COSTS
from reports.inputs.report_data import ReportData
from reports.text.i18n import Translate

__all__ = ["explorer"]


_KINDS = ("vit", "cnn", "other")


def explorer(data: ReportData, _: Translate) -> dict[str, Any] | None:
    """The data of the explorer: costs that two cells or more have, the cells, and the specification to draw."""
    found = [entry for entry in data.ok if entry.result and entry.result.metrics.get("accuracy") is not None]
    measured = {cost.key: [bool(e.result and (cost.value(e.result) or 0) > 0) for e in found] for cost in COSTS}
    costs = [cost for cost in COSTS if sum(measured[cost.key]) > 1]
    if not costs:
        return None
    cells = [
        {
            "title": data.title(entry) + (f" · {_('seed')} {entry.seed}" if entry.seed is not None else ""),
            "family": entry.group,
            "device": entry.device,
            "accuracy": entry.result.metrics["accuracy"],
            **{cost.key: cost.value(entry.result) for cost in costs},
            "texts": {column.title: column.value(entry.result, "").text for column in COLUMNS if column.key in shown},
        }
        for entry in found
        if entry.result
        for shown in [{"accuracy", *(cost.key for cost in costs)}]
    ]
    return {
        "costs": [{"key": cost.key, "title": _(cost.title), "unit": cost.unit} for cost in costs],
        "cells": cells,
        "families": [kind for kind in _KINDS if any(cell["family"] == kind for cell in cells)],
        "title": _("Accuracy against cost"),
        "labels": {column.title: _(column.title) for column in COLUMNS},
        "spec": _specification(_),
    }


def _specification(_: Translate) -> dict[str, Any]:
    """Points over a front line; the script sets the field, the title and the scale of the x axis."""
    import altair as alt

    x = alt.X(
        "cost:Q", scale=alt.Scale(type="log", nice=False, padding=18), axis=alt.Axis(title="", format="~s", tickCount=6)
    )
    y = alt.Y("accuracy:Q", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(title=_("Accuracy"), format="~%"))
    line = alt.Chart(alt.NamedData("front")).mark_line(interpolate="step-after", strokeDash=[4, 3]).encode(x=x, y=y)
    line = line.encode(color=alt.value(MUTED))
    named = f"datum.label == 'vit' ? 'ViT' : datum.label == 'cnn' ? 'CNN' : {json.dumps(_('other'))}"
    family = alt.Scale(domain=list(_KINDS), range=[VIT, CNN, OTHER])
    points = (
        alt.Chart(alt.NamedData("cells"))
        .mark_point(filled=True, size=90, opacity=0.9)
        .encode(
            x=x,
            y=y,
            color=alt.Color("family:N", scale=family, legend=alt.Legend(title=_("Family"), labelExpr=named)),
            shape=alt.Shape("device:N", legend=alt.Legend(title=_("Device"))),
            tooltip="title:N",
        )
    )
    chart = alt.layer(line, points).properties(width="container", height=360)
    spec: dict[str, Any] = chart.to_dict()
    return {key: value for key, value in spec.items() if key not in ("config", "datasets")}
