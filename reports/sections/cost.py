"""Accuracy against cost, and what it took to reach an accuracy."""

from __future__ import annotations

from typing import Any

from reports.figures.interactive_cost import explorer
from reports.figures.pareto import pareto
from reports.inputs.columns import COSTS
from reports.inputs.report_data import ReportData
from reports.sections.base import Page, Section
from reports.sections.time_to_accuracy import reaching
from reports.text.csp import json_for_script
from reports.text.i18n import N_, Translator

__all__ = ["SECTION", "cost"]


def build(page: Page) -> dict[str, Any] | None:
    found = cost(page.data, page.translate)
    reached = reaching(page.data, page.translate)
    return found and {**found, "data": json_for_script(found["explorer"]), "reached": reached}


def cost(data: ReportData, _: Translator) -> dict[str, Any] | None:
    """The explorer of accuracy against cost, with a static image behind it and its fronts in words."""
    found = explorer(data, _)
    if found is None:
        return None
    first = next(item for item in COSTS if item.key == found["costs"][0]["key"])
    fronts = [
        (item["title"], "; ".join(found["cells"][index]["title"] for index in found["fronts"][item["key"]][""]))
        for item in found["costs"]
    ]
    return {"explorer": found, "figure": pareto(data, first, _), "fronts": fronts, "devices": found["devices"]}


SECTION = Section(N_("Accuracy against cost"), build, has_charts=True)
