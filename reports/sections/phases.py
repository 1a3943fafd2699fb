"""Where the time of a cell and of a training step went."""

from __future__ import annotations

from statistics import median
from typing import Any

from reports.figures.phases import PHASES, phases
from reports.inputs.entry import Entry
from reports.sections.base import Page, Section
from reports.text.formatting import Value, amount, duration, percent
from reports.text.i18n import N_

__all__ = ["SECTION", "STEP_PARTS"]


def build(page: Page) -> dict[str, Any] | None:
    """The phases of the cells."""
    data, _ = page.data, page.translate
    figure = phases(data, _)
    if figure is None:
        return None
    rows = [(data.title(entry), _phase_values(entry)) for entry in data.leading if entry.result]
    steps = [(data.title(e), _step_values(e)) for e in data.leading if e.result and e.result.timings.steps_timed]
    return {"figure": figure, "phases": PHASES, "rows": rows, "parts": STEP_PARTS, "steps": steps}


def _phase_values(entry: Entry) -> list[Value]:
    assert entry.result is not None  # the caller chose entries with a result
    timings = entry.result.timings
    values = [duration(getattr(timings, key)) for key, _title, _color in PHASES]
    return [*values, duration(median(timings.epoch_seconds) if timings.epoch_seconds else None)]


def _step_values(entry: Entry) -> list[Value]:
    """The mean length of a step, and each part's share of it."""
    assert entry.result is not None  # the caller chose entries with a result
    timings = entry.result.timings
    whole = sum(timings.step_parts.values())
    shares = [percent(timings.step_parts.get(key, 0.0) / whole if whole else None) for key, _title in STEP_PARTS]
    return [amount(timings.steps_timed), duration(whole / timings.steps_timed), *shares]


STEP_PARTS = (
    ("data", N_("waiting for data")),
    ("forward", N_("forward")),
    ("backward", N_("backward")),
    ("optimizer", N_("optimizer")),
)


SECTION = Section(N_("Where the time went"), build)
