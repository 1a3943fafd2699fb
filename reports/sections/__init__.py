"""The sections of the page in their order, each with what its template needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reports.figures.interactive_curves import curves_chart
from reports.figures.learning_curves import all_curves, learning_curves
from reports.inputs.report_data import Entry, Gathered
from reports.inputs.significance import Evidence
from reports.sections import leaderboard as tables
from reports.sections import significance as comparisons
from reports.sections.calibration import calibration, diagram
from reports.sections.checklist import checks, differences
from reports.sections.claims import answers
from reports.sections.dataset import command_line, data_facts, environment_rows
from reports.sections.gallery import MOST_BARS, disagreements, pictures_of
from reports.sections.inference import inference, memory_phases
from reports.sections.published import published
from reports.sections.time_to_accuracy import reaching
from reports.text.csp import json_for_script
from reports.text.i18n import Translate

__all__ = ["DETAILED", "Page", "Section", "sections"]

DETAILED = 40
"""At most this many cells get matrices, curves and pictures of their own; the leaderboard has them all."""


CURVES = 24
"""At most this many small panels of learning curves."""


@dataclass(frozen=True)
class Page:
    """What every section is built from."""

    gathered: Gathered
    evidence: Evidence
    translate: Translate


@dataclass(frozen=True)
class Section:
    """A part of the page. ``name`` is its anchor, and names its template ``section_NAME.html.j2``."""

    name: str
    title: str
    content: dict[str, Any]


def sections(page: Page) -> list[Section]:
    """Build every section that has something to show."""
    builders: tuple[tuple[str, str, Callable[[Page], dict[str, Any] | None]], ...] = (
        ("leaderboard", "Leaderboard", _leaderboard),
        ("quality", "How sure", lambda p: comparisons.quality(p.gathered, p.evidence, p.translate)),
        ("cost", "Accuracy against cost", _cost),
        ("devices", "CPU beside GPU", _devices),
        ("time", "Where the time went", lambda p: comparisons.time(p.gathered, p.translate)),
        ("memory", "Memory by phase", lambda p: memory_phases(p.gathered, p.translate)),
        ("inference", "Speed of inference", lambda p: inference(p.gathered, p.translate)),
        ("curves", "Learning curves", _curves),
        ("models", "Each model", _models),
        ("calibration", "Calibration", lambda p: calibration(p.gathered, p.translate)),
        ("gallery", "Test images", _gallery),
        ("tests", "Which differences are real", lambda p: comparisons.tests(p.gathered, p.evidence, p.translate)),
        ("patch", "Patch size", lambda p: comparisons.patch(p.gathered, p.translate)),
        ("claims", "Claims put to the test", _claims),
        ("published", "Reported by others", lambda p: published(p.gathered, p.evidence, p.translate)),
        ("differences", "What differed between configurations", _differences),
        ("data", "Data", _data),
        ("environment", "Environment and how to repeat it", _environment),
        ("checklist", "Reproducibility checklist", lambda p: {"checks": checks(p.gathered, p.translate)}),
    )
    built = ((name, title, build(page)) for name, title, build in builders)
    return [Section(name, page.translate(title), content) for name, title, content in built if content is not None]


def detailed(gathered: Gathered) -> list[Entry]:
    """The cells that are shown one by one: the first seed of each configuration before the others."""
    leading = set(map(id, gathered.leading))
    shown = [entry for entry in gathered.ok if entry.history or (entry.result and entry.result.confusion)]
    chosen = sorted(shown, key=lambda e: id(e) not in leading)[:DETAILED]
    return [entry for entry in gathered.ok if entry in chosen]


def _leaderboard(page: Page) -> dict[str, Any]:
    gathered, evidence, _ = page.gathered, page.evidence, page.translate
    spans = {e.key: evidence.interval(e) for e in gathered.ok}
    known = [span for span in spans.values() if span]
    low, high = min((s.low for s in known), default=0.0), max((s.high for s in known), default=1.0)
    settings = [(key, _(title), _values(gathered, key)) for key, title in _SETTINGS]
    everyones = [("group", _("Family"), _values(gathered, "group")), *settings]
    filters = [item for item in everyones if len(item[2]) > 1 or item[0] in ("group", "device", "regime")]
    common = [f"{title}: {values[0]}" for key, title, values in settings if len(values) == 1 and key != "run_name"]
    shown = {key for key, _title, values in settings if len(values) > 1 and key != "start"}
    return {
        "columns": tables.COLUMNS,
        "rows": tables.leaderboard(gathered),
        "settings": settings,
        "shown": shown,
        "common": " · ".join(common),
        "filters": [*filters, ("status", _("Status"), _values(gathered, "status"))],
        "named": lambda key, value: _named(key, value, _),
        "linked": {entry.key for entry in detailed(gathered)},
        "letters": evidence.groups.letters,
        "has_intervals": bool(known),
        "spans": spans,
        "scale": lambda share: f"{4 + 112 * (share - low) / ((high - low) or 1.0):.1f}",
    }


def _named(key: str, value: Any, _: Translate) -> str:
    """What a filter calls a value."""
    if key == "group":
        return {"vit": "ViT", "cnn": "CNN"}.get(value, _("other"))
    return _(value.replace("_", " ")) if key == "status" else str(value)


_SETTINGS = (
    ("regime", "Regime"),
    ("device", "Device"),
    ("precision", "Precision"),
    ("seed", "Seed"),
    ("start", "Weights"),
    ("run_name", "Run"),
)


def _values(gathered: Gathered, key: str) -> list[Any]:
    values = (getattr(entry, key) for entry in gathered.entries)
    return list(dict.fromkeys(value for value in values if value not in (None, "")))


def _cost(page: Page) -> dict[str, Any] | None:
    found = comparisons.cost(page.gathered, page.translate)
    reached = reaching(page.gathered, page.translate)
    return found and {**found, "data": json_for_script(found["explorer"]), "reached": reached}


def _devices(page: Page) -> dict[str, Any] | None:
    gathered = page.gathered
    pairs = tables.device_pairs(gathered)
    return {"pairs": pairs} if pairs else None


def _models(page: Page) -> dict[str, Any] | None:
    gathered = page.gathered
    shown = detailed(gathered)
    if not shown:
        return None
    models = [
        {
            "entry": entry,
            "curves": learning_curves(entry, page.translate),
            "classes": tables.class_rows(entry.result, gathered.classes),
            "confusion": tables.confusion(entry.result, gathered.classes),
            "bars": diagram(entry, page.translate),
            "confusions": tables.top_confusions(entry.result, gathered.classes),
            "row": row,
        }
        for entry in shown
        if entry.result
        for row in [tables.leader_row(entry)]
    ]
    return {"models": models, "left_out": len(gathered.ok) - len(shown)}


def _gallery(page: Page) -> dict[str, Any] | None:
    gathered = page.gathered
    first: dict[tuple[str, str], Entry] = {}
    shown_ones = set(map(id, detailed(gathered)))
    for entry in gathered.leading:
        if id(entry) in shown_ones:
            first.setdefault((entry.label, entry.regime), entry)
    shown = list(first.values())
    split = disagreements(shown[:12], gathered)
    models = [
        {"entry": entry, "pictures": found}
        for turn, entry in enumerate(shown[:24])
        if (found := pictures_of(entry, gathered, turn))
    ]
    return {"disagreements": split, "models": models, "most": MOST_BARS} if models else None


def _curves(page: Page) -> dict[str, Any] | None:
    entries = page.gathered.leading[:CURVES]
    picture = all_curves(entries, page.gathered, page.translate)
    left_out = len(page.gathered.leading) - len(entries)
    if not picture:
        return None
    chart = curves_chart(entries, page.gathered, page.translate)
    data = json_for_script(chart) if chart else ""
    return {"picture": picture, "shown": len(entries), "left_out": left_out, "chart": chart, "data": data}


def _claims(page: Page) -> dict[str, Any] | None:
    found = answers(page.gathered, page.evidence, page.translate)
    return {"answers": found} if found else None


def _differences(page: Page) -> dict[str, Any] | None:
    if not page.gathered.leading:
        return None
    columns, rows = differences(page.gathered)
    return {"columns": columns, "rows": rows}


def _data(page: Page) -> dict[str, Any]:
    gathered = page.gathered
    return data_facts(gathered, page.translate)


def _environment(page: Page) -> dict[str, Any]:
    gathered = page.gathered
    runs = [
        {"name": name, "command": command_line(environment), "rows": environment_rows(environment, page.translate)}
        for name, environment in zip(gathered.run_names, gathered.environments, strict=True)
    ]
    return {"runs": runs, "settings": gathered.study.get("train") or {}}
