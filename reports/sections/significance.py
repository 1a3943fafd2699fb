"""Sections that put models beside each other: what their templates need, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.stats import SeedSpread, seed_spread
from reports.figures.forest import PHASES, forest, front, pareto, patch_sizes, phases
from reports.figures.interactive_cost import COSTS, explorer
from reports.inputs.report_data import Entry, Gathered
from reports.inputs.significance import ALPHA, Evidence
from reports.sections.leaderboard import COLUMNS
from reports.text.formatting import Value, amount, duration, percent, points
from reports.text.i18n import Translate

__all__ = ["STEP_PARTS", "cost", "patch", "quality", "tests", "time"]

STEP_PARTS = (
    ("data", "waiting for data"),
    ("forward", "forward"),
    ("backward", "backward"),
    ("optimizer", "optimiser"),
)

MOST_TESTED = 30
"""The significance matrix shows at most this many models, the most accurate."""


def quality(gathered: Gathered, evidence: Evidence, _: Translate) -> dict[str, Any] | None:
    """The forest plot, and the spread over seeds where there are several."""
    picture = forest(gathered, evidence, _)
    if picture is None:
        return None
    has_other = any(entry.group == "other" for entry in gathered.ok)
    return {"forest": picture, "seeds": seed_rows(gathered), "has_other": has_other}


def seed_rows(gathered: Gathered) -> list[tuple[str, SeedSpread]]:
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


def cost(gathered: Gathered, _: Translate) -> dict[str, Any] | None:
    """The explorer of accuracy against cost, with a static picture behind it and its fronts in words."""
    found = explorer(gathered, _)
    if found is None:
        return None
    first = next(item for item in COSTS if item.key == found["costs"][0]["key"])
    fronts = []
    for item in found["costs"]:
        cells = [cell for cell in found["cells"] if cell[item["key"]]]
        kept = front([(cell[item["key"]], cell["accuracy"]) for cell in cells])
        fronts.append((item["title"], "; ".join(cells[index]["title"] for index in kept)))
    picture = pareto(gathered, first.value, _(first.title), first.unit == "s", _)
    devices = list(dict.fromkeys(cell["device"] for cell in found["cells"]))
    return {"explorer": found, "picture": picture, "fronts": fronts, "devices": devices}


@dataclass(frozen=True)
class TestCell:
    """Two models in the significance matrix. ``kind``: better, worse (separated by the test) or same."""

    text: str
    title: str
    kind: str


def tests(gathered: Gathered, evidence: Evidence, _: Translate) -> dict[str, Any] | None:
    """The significance matrix, and Cochran's Q over all models."""
    order = [evidence.by_key[key] for key in evidence.groups.order][:MOST_TESTED]
    if len(order) < 2:
        return None
    rows = [(gathered.title(a), [_test_cell(a, b, evidence, _) for b in order]) for a in order]
    text = ""
    if evidence.cochran:
        text = _("All {n} models together (Cochran's Q): p {p}.").format(
            n=evidence.cochran.models, p=_p(evidence.cochran.p_value)
        )
    left_out = len(evidence.tested) - len(order) + evidence.left_out
    return {"rows": rows, "titles": [gathered.title(entry) for entry in order], "cochran": text, "left_out": left_out}


def _test_cell(a: Entry, b: Entry, evidence: Evidence, _: Translate) -> TestCell | None:
    found = evidence.pair(a, b)
    if found is None:
        return None
    comparison, sign = found
    difference = comparison.difference.estimate * sign
    ends = sorted((comparison.difference.low * sign, comparison.difference.high * sign))
    only_a, only_b = comparison.only_a, comparison.only_b
    if sign < 0:
        only_a, only_b = only_b, only_a
    text = _(
        "p {p} after correction; 95 % interval {low} to {high} points; only the row right: {a}, only the column: {b}"
    )
    title = text.format(p=_p(comparison.p_adjusted), low=points(ends[0]), high=points(ends[1]), a=only_a, b=only_b)
    kind = "same" if not comparison.separated(ALPHA) else "better" if difference > 0 else "worse"
    return TestCell(points(difference), title, kind)


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"= {value:.2g}"


def patch(gathered: Gathered, _: Translate) -> dict[str, Any] | None:
    """The ViTs by the side of their patches."""
    columns = [
        c for c in COLUMNS if c.key in ("accuracy", "train_seconds", "evaluate_seconds", "peak_ram_mib", "flops")
    ]
    found = [e for e in gathered.ok if e.result and e.group == "vit" and e.result.model.patch]
    if len({entry.result.model.patch for entry in found if entry.result}) < 2:
        return None
    has_seeds = len({entry.seed for entry in found}) > 1
    rows = [
        (
            entry.result.model.patch or 0,
            gathered.title(entry) + (f" · {_('seed')} {entry.seed}" if has_seeds else ""),
            amount(entry.result.model.tokens),
            [column.value(entry.result, "not measured") for column in columns],
        )
        for entry in found
        if entry.result
    ]
    return {
        "picture": patch_sizes(gathered, _),
        "columns": columns,
        "rows": sorted(rows, key=lambda row: (row[0], row[1])),
    }


def time(gathered: Gathered, _: Translate) -> dict[str, Any] | None:
    """The phases of the cells."""
    picture = phases(gathered, _)
    if picture is None:
        return None
    rows = [(gathered.title(entry), _phase_values(entry)) for entry in gathered.leading if entry.result]
    steps = [
        (gathered.title(e), _step_values(e)) for e in gathered.leading if e.result and e.result.timings.steps_timed
    ]
    return {"picture": picture, "phases": PHASES, "rows": rows, "parts": STEP_PARTS, "steps": steps}


def _phase_values(entry: Entry) -> list[Value]:
    assert entry.result is not None  # the caller chose entries with a result
    timings = entry.result.timings
    values = [duration(getattr(timings, key)) for key, _title, _colour in PHASES]
    return [*values, duration(median(timings.epoch_seconds) if timings.epoch_seconds else None)]


def _step_values(entry: Entry) -> list[Value]:
    """The mean length of a step, and each part's share of it."""
    assert entry.result is not None  # the caller chose entries with a result
    timings = entry.result.timings
    whole = sum(timings.step_parts.values())
    shares = [percent(timings.step_parts.get(key, 0.0) / whole if whole else None) for key, _title in STEP_PARTS]
    return [amount(timings.steps_timed), duration(whole / timings.steps_timed), *shares]
