"""Which differences between models are real: paired tests on the same test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reports.inputs.entry import Entry
from reports.inputs.significance import ALPHA, Significance
from reports.sections.base import Page, Section
from reports.text.formatting import points
from reports.text.i18n import N_, Translator

__all__ = ["SECTION"]


MOST_TESTED = 30
"""The significance matrix shows at most this many models, the most accurate."""


@dataclass(frozen=True)
class TestCell:
    """Two models in the significance matrix. ``kind``: better, worse (separated by the test) or same."""

    text: str
    title: str
    kind: str


def build(page: Page) -> dict[str, Any] | None:
    """The significance matrix, and Cochran's Q over all models."""
    data, significance, _ = page.data, page.significance, page.translate
    order = [significance.by_key[key] for key in significance.groups.order][:MOST_TESTED]
    if len(order) < 2:
        return None
    rows = [(data.title(a), [_test_cell(a, b, significance, _) for b in order]) for a in order]
    text = ""
    if significance.cochran:
        text = _("All {n} models together (Cochran's Q): p {p}.").format(
            n=significance.cochran.models, p=_p(significance.cochran.p_value)
        )
    left_out = len(significance.tested) - len(order) + significance.left_out
    return {"rows": rows, "titles": [data.title(entry) for entry in order], "cochran": text, "left_out": left_out}


def _test_cell(a: Entry, b: Entry, significance: Significance, _: Translator) -> TestCell | None:
    found = significance.pair(a, b)
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


SECTION = Section(N_("Which differences are real"), build)
