"""The images: where they come from, how they were split, and what the audit found."""

from __future__ import annotations

from typing import Any, get_args

from bench.results.dataset import AuditFindings, Split
from reports.inputs.report_data import ReportData
from reports.sections.base import Page, Section
from reports.text.formatting import DASH
from reports.text.i18n import N_, Translator
from reports.text.messages import word

__all__ = ["SECTION"]

_SPLITS: tuple[Split, ...] = get_args(Split)


def build(page: Page) -> dict[str, Any]:
    """Counts by class and split, the data card, the audit's findings, what was dropped."""
    dataset, _ = page.data.dataset, page.translate
    rows = [(name, [dataset.counts.get(name, {}).get(split, 0) for split in _SPLITS]) for name in dataset.classes]
    return {
        "unknown": [word(notice, _) for notice in dataset.card.unknown],
        "card_rows": _card_rows(page.data, _),
        "splits": _SPLITS,
        "rows": rows,
        "totals": [sum(column) for column in zip(*(counts for _name, counts in rows), strict=True)],
        "audit": _audit_rows(dataset.audit, _),
        "dropped": [(item.name, word(item.notice, _)) for item in dataset.dropped],
    }


def _card_rows(data: ReportData, _: Translator) -> list[tuple[str, str]]:
    """Where the images come from and how they were split; what is not stored is left out."""
    dataset, card = data.dataset, data.dataset.card
    split = data.study.split
    shares = {"test": split.test, "validation": split.validation, "seed": split.seed}
    text = _("{used} of {all} images") if dataset.limited_from else _("{used} images")
    rows = [
        (N_("Name"), card.name),
        (N_("Source"), dataset.source),
        (N_("Kind"), _("synthetic: made by a program") if data.is_synthetic else None),
        (N_("Folders"), card.layout.pattern if card.layout else None),
        (N_("Used"), text.format(used=len(dataset.names), all=dataset.limited_from)),
        (N_("License"), card.license),
        (N_("Cite"), card.citation),
        (N_("Address"), card.url),
        (N_("Split"), _(dataset.split_method)),
        (N_("Requested shares"), ", ".join(f"{_(key)} {share}" for key, share in shares.items())),
        (N_("Fingerprint"), dataset.fingerprint),
        (N_("Split hash"), dataset.split_hash),
    ]
    return [(name, text) for name, text in rows if text]


def _audit_rows(audit: AuditFindings, _: Translator) -> list[tuple[str, str]]:
    """What the audit found, as pairs of a name and a figure."""
    leaking = audit.would_leak_pairs or len(audit.would_leak)  # older runs list all of them
    imbalance = N_("Images of the largest class for each one of the smallest")
    converted = [(N_("On the way to 8-bit RGB"), "; ".join(word(notice, _) for notice in audit.conversions))]
    return [
        (N_("Files taken for images"), str(audit.images)),
        (N_("Of these readable"), str(audit.readable)),
        (N_("Groups of identical images"), str(len(audit.exact))),
        (N_("Pairs that look alike"), str(audit.near_pairs)),
        (N_("Pairs that a plain random split would leak"), str(leaking)),
        (N_("Image sizes"), _listed(audit.sizes)),
        (N_("Color modes"), _listed(audit.modes)),
        *(converted if audit.conversions else ()),
        (imbalance, DASH if audit.imbalance is None else f"{audit.imbalance:.3g}"),
    ]


def _listed(counts: dict[str, int], most: int = 4) -> str:
    parts = [f"{name} ({count})" for name, count in list(counts.items())[:most]]
    return ", ".join(parts) + (" …" if len(counts) > most else "") if parts else DASH


SECTION = Section(N_("Data"), build)
