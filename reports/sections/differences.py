"""Settings in which the configurations differ."""

from __future__ import annotations

from typing import Any

from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.sections.base import Page, Section
from reports.text.i18n import N_

__all__ = ["SECTION", "differences"]


def build(page: Page) -> dict[str, Any] | None:
    if not page.data.leading:
        return None
    columns, rows = differences(page.data)
    return {"columns": columns, "rows": rows}


def differences(data: ReportData) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Settings that are not the same in every configuration, beside those that name it: columns, and a row each."""
    flat = [(data.title(entry), _flat(entry)) for entry in data.leading]
    keys = sorted({key for _title, values in flat for key in values})
    varied = [key for key in keys if len({values.get(key, "") for _title, values in flat}) > 1][:_MOST_COLUMNS]
    return varied, [(title, [values.get(key, "") for key in varied]) for title, values in flat]


def _flat(entry: Entry) -> dict[str, str]:
    result = entry.result
    if result is None:
        return {}
    cell = result.cell.model_dump(mode="json")
    facts = {"image_size": result.model.image_size, "tokens": result.model.tokens, "features": result.model.features}
    return {
        **{key: text for key, text in _pairs(cell) if key.rsplit(".", 1)[-1] not in _NAMED},
        **{f"model.{key}": str(value) for key, value in facts.items() if value is not None},
        # how long something took stands among the settings that it belongs to, and is none
        **{key: text for key, text in _pairs(result.settings.model_dump(mode="json")) if not key.endswith("_seconds")},
    }


def _pairs(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict):
            found += _pairs(item, f"{name}.")
        elif item is not None:
            text = str(item)
            found.append((name, text if len(text) <= 40 else f"{text[:18]}…{text[-18:]}"))
    return found


_NAMED = {"label", "name", "regime", "device", "precision", "seed", "id", "fingerprint", "split_hash"}


_MOST_COLUMNS = 10


SECTION = Section(N_("What differed between configurations"), build)
