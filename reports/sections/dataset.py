"""What surrounds the figures: the data set's facts, the machine, the command that repeats the run."""

from __future__ import annotations

from typing import Any

from reports.inputs.report_data import ReportData
from reports.sections.base import Page, Section
from reports.text.formatting import DASH
from reports.text.i18n import N_, Translate
from reports.text.messages import word

__all__ = ["SECTION", "audit_rows", "card_rows", "data_facts"]

_SIDES = ("train", "validation", "test")


def data_facts(data: ReportData, _: Translate) -> dict[str, Any]:
    """Counts by class and side, the data card, the audit's findings, what was dropped."""
    dataset = data.dataset
    audit = dataset.get("audit") or {}
    counts = dataset.get("counts") or {}
    rows = [(name, [_count(counts, name, side) for side in _SIDES]) for name in data.classes]
    totals = [sum(cells[i] or 0 for _, cells in rows) for i in range(3)]
    return {
        "unknown": [word(str(text), _) for text in (dataset.get("card") or {}).get("unknown") or []],
        "card_rows": card_rows(data, _),
        "sides": _SIDES,
        "rows": rows if counts else [],
        "totals": totals,
        "audit": audit_rows(audit),
        "dropped": [
            {**item, "reason": word(str(item.get("reason") or ""), _)} for item in dataset.get("dropped") or []
        ],
    }


def card_rows(data: ReportData, _: Translate) -> list[tuple[str, str]]:
    """Where the images come from and how they were split; what is not stored is left out."""
    dataset, split = data.dataset, data.study.get("split") or {}
    card = dataset.get("card") or {}
    limited = dataset.get("limited_from")
    used = len(dataset.get("names") or [])
    shares = ", ".join(f"{_(key)} {split[key]}" for key in ("test", "validation", "seed") if key in split)
    texts = {True: _("{used} of {all} images"), False: _("{used} images")}
    images = texts[bool(limited)].format(used=used, all=limited)
    rows = [
        (N_("Name"), card.get("name")),
        (N_("Source"), dataset.get("source")),
        (N_("Kind"), _("synthetic: drawn by a program") if data.is_synthetic else None),
        (N_("Used"), images if used else None),
        (N_("License"), card.get("license")),
        (N_("Cite"), card.get("citation")),
        (N_("Address"), card.get("url")),
        (N_("Split"), word(str(dataset.get("split_method") or ""), _)),
        (N_("Shares asked for"), shares),
        (N_("Fingerprint"), dataset.get("fingerprint")),
        (N_("Split hash"), dataset.get("split_hash")),
    ]
    return [(name, str(text)) for name, text in rows if text]


def _count(counts: dict[str, Any], name: str, side: str) -> int | None:
    by_side = counts.get(name)
    value = by_side.get(side, 0) if isinstance(by_side, dict) else None
    return value if isinstance(value, int) else None


def audit_rows(audit: dict[str, Any]) -> list[tuple[str, str]]:
    """What the audit found, as pairs of a name and a figure."""
    if not audit:
        return []
    sizes = audit.get("sizes") or {}
    modes = audit.get("modes") or {}
    imbalance = audit.get("imbalance")
    leaking = audit.get("would_leak_pairs") or len(audit.get("would_leak") or [])  # older runs list all of them
    return [
        (N_("Files taken for images"), str(audit.get("images", DASH))),
        (N_("Of these readable"), str(audit.get("readable", DASH))),
        (N_("Groups of identical images"), str(len(audit.get("exact") or []))),
        (N_("Pairs that look alike"), str(audit.get("near_pairs", DASH))),
        (N_("Pairs that a plain random split would leak"), str(leaking)),
        (N_("Image sizes"), _listed(sizes)),
        (N_("Color modes"), _listed(modes)),
        (N_("Images of the largest class for each one of the smallest"), f"{imbalance:.3g}" if imbalance else DASH),
    ]


def _listed(counts: dict[str, int], most: int = 4) -> str:
    parts = [f"{name} ({count})" for name, count in list(counts.items())[:most]]
    return ", ".join(parts) + (" …" if len(counts) > most else "") if parts else DASH


def build(page: Page) -> dict[str, Any]:
    data = page.data
    return data_facts(data, page.translate)


SECTION = Section(N_("Data"), build)
