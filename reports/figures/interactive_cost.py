"""The interactive chart: an Altair specification, and vl-convert's bundle of Vega that draws it without the network.

The specification holds no names and no figures: the page's script puts them in as data, so nothing hostile is ever
part of the code. The script draws with Vega's interpreter, since the page's policy forbids making code from strings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bench.results.schema import CellResult
from reports.figures.svg import CNN, MUTED, OTHER, VIT
from reports.inputs.columns import COSTS, Cost, columns
from reports.inputs.entry import Entry
from reports.inputs.pareto import cost_points, front
from reports.inputs.report_data import ReportData
from reports.text.i18n import Translator

__all__ = ["explorer"]


_KINDS = ("vit", "cnn", "other")


def explorer(data: ReportData, _: Translator) -> dict[str, Any] | None:
    """The data of the explorer: costs that two cells or more have, the cells, the cells (by index) on the front of each
    cost and device, and the specification to draw."""
    found = [entry for entry in data.ok if entry.accuracy is not None]
    points = {cost: cost_points(found, cost) for cost in COSTS}
    costs = [cost for cost in COSTS if len(points[cost]) > 1]
    if not costs:
        return None
    cells = [_cell(entry, entry.result, costs, data, _) for entry in found if entry.result]
    index = {entry.key: place for place, entry in enumerate(found)}
    devices = list(dict.fromkeys(entry.device for entry in found))
    return {
        "costs": [{"key": cost.key, "title": _(cost.title), "unit": cost.unit} for cost in costs],
        "cells": cells,
        "devices": devices,
        "fronts": {
            cost.key: {
                device: [index[p.entry.key] for p in front([p for p in points[cost] if device in ("", p.entry.device)])]
                for device in ("", *devices)
            }
            for cost in costs
        },
        "families": [kind for kind in _KINDS if any(cell["family"] == kind for cell in cells)],
        "title": _("Accuracy against cost"),
        "labels": {column.title: _(column.title) for column in columns()},
        "spec": _specification(_),
    }


def _cell(entry: Entry, result: CellResult, costs: Sequence[Cost], data: ReportData, _: Translator) -> dict[str, Any]:
    shown = {"accuracy", *(cost.key for cost in costs)}
    return {
        "title": f"{data.title(entry)} · {_('seed')} {entry.seed}",
        "family": entry.group,
        "device": entry.device,
        "accuracy": entry.accuracy,
        **{cost.key: cost.value(result) for cost in costs},
        "texts": {column.title: column.value(result, "").text for column in columns() if column.key in shown},
    }


def _specification(_: Translator) -> dict[str, Any]:
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
