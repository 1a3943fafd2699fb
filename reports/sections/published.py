"""Figures that others reported, beside the intervals of what was measured here."""

from __future__ import annotations

from typing import Any

from bench.errors import DataError
from bench.stats.confidence import Interval, interval
from bench.stats.metrics import accuracy, balanced_accuracy, checked_matrix, cohen_kappa
from reports.inputs.report_data import ReportData
from reports.inputs.significance import Significance
from reports.sections.base import Page, Section
from reports.text.formatting import duration, number, percent
from reports.text.i18n import N_, Translate

__all__ = ["SECTION"]


def build(page: Page) -> dict[str, Any] | None:
    """Rows that others reported, each with where it stands among the measured ones; None where there is none."""
    data, significance, _ = page.data, page.significance, page.translate
    if not data.published:
        return None
    return {"rows": [_row(row, data, significance, _) for row in data.published]}


def _row(row: dict[str, Any], data: ReportData, significance: Significance, _: Translate) -> dict[str, Any]:
    matrix = row.get("confusion")
    scores = _from_matrix(matrix)
    score = _first(row.get("accuracy"), scores, "accuracy")
    return {
        "model": str(row.get("model") or "?"),
        "device": str(row.get("device") or ""),
        "dataset": str(row.get("dataset") or ""),
        "images": row.get("images") if isinstance(row.get("images"), int) else None,
        "accuracy": percent(score, N_("not reported")),
        "balanced_accuracy": percent(
            _first(row.get("balanced_accuracy"), scores, "balanced_accuracy"), N_("not reported")
        ),
        "kappa": number(_first(row.get("kappa"), scores, "kappa"), N_("not reported")),
        "seconds": duration(_number(row.get("seconds")), N_("not reported")),
        "status": str(row.get("status") or ""),
        "source": str(row.get("source") or ""),
        "note": str(row.get("note") or ""),
        "from_matrix": bool(scores),
        "span": _span(matrix) if scores else None,
        "standing": _standing(score, data, significance, _),
        "split": _split(row, data, _),
    }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _first(reported: Any, scores: dict[str, float | None], key: str) -> float | None:
    given = _number(reported)
    return given if given is not None else scores.get(key)


def _from_matrix(matrix: Any) -> dict[str, float | None]:
    """Scores of a reported confusion matrix; empty where none was reported or it is no such matrix."""
    if not matrix:
        return {}
    try:
        return {
            "accuracy": accuracy(matrix),
            "balanced_accuracy": balanced_accuracy(matrix),
            "kappa": cohen_kappa(matrix),
        }
    except (DataError, ValueError):
        return {}


def _span(matrix: Any) -> Interval | None:
    return interval(matrix, "accuracy")


def _split(row: dict[str, Any], data: ReportData, _: Translate) -> str:
    """Whether the reported test images are those of this run, as far as their number tells."""
    tested, ours = _tested_images(row), data.test_images
    differ = _("no: {theirs} test images there, {ours} here")
    if tested is not None and ours is not None:
        return (
            _("not known; as many test images as here") if tested == ours else differ.format(theirs=tested, ours=ours)
        )
    images, used = row.get("images"), len(data.dataset.get("splits") or [])
    if isinstance(images, int) and used and images not in (used, ours):
        return _("no: {theirs} images there, {ours} here").format(theirs=images, ours=used)
    return _("not known")


def _tested_images(row: dict[str, Any]) -> int | None:
    """How many images the reported score is of: the sum of the reported matrix, where there is one."""
    try:
        return int(checked_matrix(row["confusion"]).sum()) if row.get("confusion") else None
    except (DataError, ValueError):
        return None


def _standing(score: float | None, data: ReportData, significance: Significance, _: Translate) -> str:
    """Which of the measured intervals hold the reported figure, and which lie above or below it."""
    if score is None:
        return ""
    places: dict[str, list[str]] = {"within": [], "above": [], "below": []}
    for entry in significance.tested:
        span = significance.interval(entry)
        if span is not None:
            place = "below" if span.high < score else "above" if span.low > score else "within"
            places[place].append(data.title(entry))
    texts = {
        "within": _("within the interval of {names}"),
        "above": _("below the interval of {names}"),
        "below": _("above the interval of {names}"),
    }
    return "; ".join(texts[key].format(names=_short(names)) for key, names in places.items() if names)


def _short(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" (+{len(names) - most})" if len(names) > most else "")


SECTION = Section(N_("Reported by others"), build)
