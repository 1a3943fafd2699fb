"""How sure: intervals, and the spread of seeds."""

from __future__ import annotations

from typing import Any

from bench.stats.confidence import SeedSpread, seed_spread
from reports.figures.forest import forest
from reports.inputs.report_data import Entry, ReportData
from reports.inputs.significance import Significance
from reports.text.i18n import Translate

__all__ = ["quality", "seed_rows"]


def quality(gathered: ReportData, evidence: Significance, _: Translate) -> dict[str, Any] | None:
    """The forest plot, and the spread over seeds where there are several."""
    picture = forest(gathered, evidence, _)
    if picture is None:
        return None
    has_other = any(entry.group == "other" for entry in gathered.ok)
    return {"forest": picture, "seeds": seed_rows(gathered), "has_other": has_other}


def seed_rows(gathered: ReportData) -> list[tuple[str, SeedSpread]]:
    """The spread of the accuracy over seeds of every configuration that has two or more."""
    by_configuration: dict[tuple[str, ...], list[Entry]] = {}
    for entry in gathered.ok:
        by_configuration.setdefault((*entry.configuration, entry.run_name), []).append(entry)
    rows = []
    for entries in by_configuration.values():
        spread = seed_spread([entry.result.metrics.get("accuracy") for entry in entries if entry.result])
        if spread is not None and spread.n > 1:
            rows.append((gathered.title(entries[0]), spread))
    return rows
