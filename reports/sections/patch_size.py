"""What the patch size of Vision Transformers changes."""

from __future__ import annotations

from typing import Any

from reports.figures.patch_size import patch_sizes
from reports.inputs.columns import columns
from reports.sections.base import Page, Section
from reports.text.formatting import amount
from reports.text.i18n import N_

__all__ = ["SECTION"]


def build(page: Page) -> dict[str, Any] | None:
    """The ViTs by patch size."""
    data, _ = page.data, page.translate
    wanted = ("accuracy", "train_seconds", "evaluate_seconds", "peak_ram_mib", "flops")
    shown = [column for column in columns() if column.key in wanted]
    found = [e for e in data.ok if e.result and e.group == "vit" and e.result.model.patch]
    if len({entry.result.model.patch for entry in found if entry.result}) < 2:
        return None
    has_seeds = len({entry.seed for entry in found}) > 1
    rows = [
        (
            entry.result.model.patch or 0,
            data.title(entry) + (f" · {_('seed')} {entry.seed}" if has_seeds else ""),
            amount(entry.result.model.tokens),
            [column.value(entry.result, N_("not measured")) for column in shown],
        )
        for entry in found
        if entry.result
    ]
    return {
        "figure": patch_sizes(data, _),
        "columns": shown,
        "rows": sorted(rows, key=lambda row: (row[0], row[1])),
    }


SECTION = Section(N_("Patch size"), build)
