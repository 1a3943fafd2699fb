"""Figures that others reported, beside the intervals of what was measured here."""

from __future__ import annotations

from typing import Any

from bench.errors import DataError
from bench.stats.confidence import interval
from bench.stats.metrics import accuracy, balanced_accuracy, checked_matrix, cohen_kappa
from bench.study.schema import PublishedRow
from reports.inputs.report_data import ReportData
from reports.inputs.significance import Significance
from reports.sections.base import Page, Section
from reports.text.formatting import duration, number, percent
from reports.text.i18n import N_, Translator

__all__ = ["SECTION"]

_NOT_REPORTED = N_("not reported")


def build(page: Page) -> dict[str, Any] | None:
    """Rows that others reported, each with where it stands among the measured ones; None where there is none."""
    data, significance, _ = page.data, page.significance, page.translate
    if not data.published:
        return None
    return {"rows": [_row(row, data, significance, _) for row in data.published]}


def _row(row: PublishedRow, data: ReportData, significance: Significance, _: Translator) -> dict[str, Any]:
    scores = _from_matrix(row.confusion)
    score = _first(row.accuracy, scores, "accuracy")
    return {
        "model": row.model,
        "device": row.device or "",
        "dataset": row.dataset or "",
        "images": row.images,
        "accuracy": percent(score, _NOT_REPORTED),
        "balanced_accuracy": percent(_first(row.balanced_accuracy, scores, "balanced_accuracy"), _NOT_REPORTED),
        "kappa": number(_first(row.kappa, scores, "kappa"), _NOT_REPORTED),
        "seconds": duration(row.seconds, _NOT_REPORTED),
        "status": row.status or "",
        "source": row.source,
        "note": row.note or "",
        "span": interval(row.confusion, "accuracy") if row.confusion and scores else None,
        "standing": _standing(score, data, significance, _),
        "split": _split(row, data, _),
    }


def _first(reported: float | None, scores: dict[str, float | None], key: str) -> float | None:
    return scores.get(key) if reported is None else reported


def _from_matrix(matrix: list[list[int]] | None) -> dict[str, float | None]:
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


def _split(row: PublishedRow, data: ReportData, _: Translator) -> str:
    """Whether the reported test images are those of this run, as far as their number shows."""
    tested, ours = _tested_images(row), data.test_images
    differ = _("no: {theirs} test images there, {ours} here")
    if tested is not None and ours is not None:
        return (
            _("not known; as many test images as here") if tested == ours else differ.format(theirs=tested, ours=ours)
        )
    used = len(data.dataset.splits)
    if row.images is not None and row.images not in (used, ours):
        return _("no: {theirs} images there, {ours} here").format(theirs=row.images, ours=used)
    return _("not known")


def _tested_images(row: PublishedRow) -> int | None:
    """How many images the reported score is of: the sum of the reported matrix, where there is one."""
    try:
        return int(checked_matrix(row.confusion).sum()) if row.confusion else None
    except (DataError, ValueError):
        return None


def _standing(score: float | None, data: ReportData, significance: Significance, _: Translator) -> str:
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
