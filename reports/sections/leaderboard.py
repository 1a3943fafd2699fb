"""Every cell with its scores and costs, in a table that sorts and filters."""

from __future__ import annotations

from typing import Any

from reports.inputs.columns import LeaderRow, columns, leader_row
from reports.inputs.report_data import ReportData, detailed
from reports.sections.base import Page, Section
from reports.text.i18n import N_, Translator

__all__ = ["SECTION", "leaderboard"]


def leaderboard(data: ReportData) -> list[LeaderRow]:
    """Every cell, whatever its status: those with scores first, by accuracy, then the others as planned."""
    return [leader_row(entry) for entry in [*data.ok, *data.not_ok]]


def build(page: Page) -> dict[str, Any]:
    data, significance, _ = page.data, page.significance, page.translate
    spans = {e.key: significance.interval(e) for e in data.ok}
    known = [span for span in spans.values() if span]
    low, high = min((s.low for s in known), default=0.0), max((s.high for s in known), default=1.0)
    settings = [(key, _(title), _values(data, key)) for key, title in _SETTINGS]
    everyones = [("group", _("Family"), _values(data, "group")), *settings]
    filters = [item for item in everyones if len(item[2]) > 1 or item[0] in ("group", "device", "regime")]
    common = [f"{title}: {values[0]}" for key, title, values in settings if len(values) == 1 and key != "run_name"]
    shown = {key for key, _title, values in settings if len(values) > 1 and key != "start"}
    return {
        "columns": columns(),
        "rows": leaderboard(data),
        "settings": settings,
        "shown": shown,
        "common": " · ".join(common),
        "filters": [*filters, ("status", _("Status"), _values(data, "status"))],
        "named": lambda key, value: _named(key, value, _),
        "linked": {entry.key for entry in detailed(data)},
        "letters": significance.groups.letters,
        "has_intervals": bool(known),
        "spans": spans,
        "scale": lambda share: f"{4 + 112 * (share - low) / ((high - low) or 1.0):.1f}",
    }


def _named(key: str, value: Any, _: Translator) -> str:
    """What a filter calls a value."""
    if key == "group":
        return {"vit": "ViT", "cnn": "CNN"}.get(value, _("other"))
    return _(value.replace("_", " ")) if key == "status" else str(value)


_SETTINGS = (
    ("regime", N_("Regime")),
    ("device", N_("Device")),
    ("precision", N_("Precision")),
    ("seed", N_("Seed")),
    ("start", N_("Weights")),
    ("run_name", N_("Run")),
)


def _values(data: ReportData, key: str) -> list[Any]:
    values = (getattr(entry, key) for entry in data.entries)
    return list(dict.fromkeys(value for value in values if value not in (None, "")))


SECTION = Section(N_("Leaderboard"), build)
