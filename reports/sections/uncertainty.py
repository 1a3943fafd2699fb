"""Scores with their intervals, and how they spread from seed to seed."""

from __future__ import annotations

from typing import Any

from bench.stats.confidence import SeedSpread, seed_spread
from reports.figures.forest import forest
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.sections.base import Page, Section
from reports.text.i18n import N_

__all__ = ["SECTION", "seed_rows"]


def build(page: Page) -> dict[str, Any] | None:
    """The forest plot, and the spread over seeds where there are several."""
    data, significance, _ = page.data, page.significance, page.translate
    figure = forest(data, significance, _)
    if figure is None:
        return None
    has_other = any(entry.group == "other" for entry in data.ok)
    return {"figure": figure, "seeds": seed_rows(data), "has_other": has_other}


def seed_rows(data: ReportData) -> list[tuple[str, SeedSpread]]:
    """The spread of the accuracy over seeds of every configuration that has two or more."""
    by_configuration: dict[tuple[str, ...], list[Entry]] = {}
    for entry in data.ok:
        by_configuration.setdefault((*entry.configuration, entry.run_name), []).append(entry)
    rows = []
    for entries in by_configuration.values():
        spread = seed_spread([entry.result.metrics.get("accuracy") for entry in entries if entry.result])
        if spread is not None and spread.n > 1:
            rows.append((data.title(entries[0]), spread))
    return rows


SECTION = Section(N_("Uncertainty"), build)
