"""Scores by epoch."""

from __future__ import annotations

from typing import Any

from reports.figures.interactive_curves import curves_chart
from reports.figures.learning_curves import all_curves
from reports.sections.base import Page, Section
from reports.text.csp import json_for_script
from reports.text.i18n import N_

__all__ = ["CURVES", "SECTION"]


def build(page: Page) -> dict[str, Any] | None:
    entries = page.data.leading[:CURVES]
    figure = all_curves(entries, page.data, page.translate)
    left_out = len(page.data.leading) - len(entries)
    if not figure:
        return None
    chart = curves_chart(entries, page.data, page.translate)
    data = json_for_script(chart) if chart else ""
    return {"figure": figure, "shown": len(entries), "left_out": left_out, "chart": chart, "data": data}


CURVES = 24
"""At most this many small panels of learning curves."""


SECTION = Section(N_("Learning curves"), build, has_charts=True)
