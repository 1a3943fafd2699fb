"""Peak memory of each phase of a cell."""

from __future__ import annotations

from typing import Any

from reports.inputs.entry import Entry
from reports.sections.base import Page, Section
from reports.text.formatting import memory
from reports.text.i18n import N_
from reports.text.messages import word

__all__ = ["SECTION"]


def build(page: Page) -> dict[str, Any] | None:
    """Peak memory of each phase of the first seed of every configuration; None where no run has it."""
    data, _ = page.data, page.translate
    found: list[tuple[Entry, dict[str, float]]] = [
        (entry, entry.result.memory.by_phase) for entry in data.leading if entry.result
    ]
    phases = list(dict.fromkeys(phase for _entry, by_phase in found for phase in by_phase))
    if not phases:
        return None
    rows = [
        (
            data.title(entry),
            memory(entry.result.memory.baseline_mib if entry.result else None),
            [memory(by_phase.get(phase)) for phase in phases],
            memory(entry.result.memory.peak_ram_mib if entry.result else None),
        )
        for entry, by_phase in found
        if by_phase
    ]
    methods = list(
        dict.fromkeys(word(e.result.memory.method, _) for e, _by in found if e.result and e.result.memory.method)
    )
    return {
        "phases": [word(phase, _) for phase in phases],
        "rows": rows,
        "methods": methods,
        "has_inference": "inference" in phases,
    }


SECTION = Section(N_("Memory by phase"), build)
