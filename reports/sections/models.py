"""Each model: classes, confusion matrix and curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.stats.confidence import Interval, class_intervals
from bench.stats.metrics import per_class
from reports.figures.learning_curves import learning_curves
from reports.inputs.columns import leader_row
from reports.inputs.report_data import detailed
from reports.sections.base import Page, Section
from reports.sections.calibration import diagram
from reports.text.formatting import Value, number, percent
from reports.text.i18n import N_

__all__ = [
    "MOST_CLASSES",
    "SECTION",
    "ClassRow",
    "Confusion",
    "ConfusionCell",
    "class_rows",
    "confusion",
    "top_confusions",
]

Matrix = Sequence[Sequence[int]]
"""Test images counted by (true class, predicted class)."""


@dataclass(frozen=True)
class ClassRow:
    """The scores of one class."""

    name: str
    precision: Value
    recall: Value
    f1: Value
    support: int
    recall_span: Interval | None
    """95 % interval of the recall (Wilson)."""
    f1_span: Interval | None


def class_rows(counts: Matrix, classes: list[str]) -> list[ClassRow]:
    """Precision, recall, F1 and number of test images of each class."""
    if not counts:
        return []
    scores, spans = per_class(counts), class_intervals(counts)
    return [
        ClassRow(
            name,
            percent(score.precision, N_("no image was predicted to be of this class"), 1),
            percent(score.recall, N_("no test image is of this class"), 1),
            number(score.f1, N_("neither present nor ever predicted")),
            score.support,
            span.recall,
            span.f1,
        )
        for name, score, span in zip(_padded(classes, len(scores)), scores, spans, strict=True)
    ]


MOST_CLASSES = 30
"""A confusion matrix of more classes shows only these many, as its cells are the square of them."""


@dataclass(frozen=True)
class ConfusionCell:
    """Test images of one true class that were predicted to be of one class."""

    count: int
    share: float
    """Of the images of the true class, 0 where there are none."""
    level: int
    """Depth of the shading, 0 (none) to 9, by the square root of the share so that few errors are visible."""
    is_right: bool


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix, or the part of it that the page has room for."""

    rows: list[tuple[str, list[ConfusionCell]]]
    """For each true class its name and its row, whose last cell counts the classes that are not shown, if any."""
    classes: int
    """How many there are in all."""

    @property
    def is_part(self) -> bool:
        """Whether some classes are not shown."""
        return len(self.rows) < self.classes


def confusion(counts: Matrix, classes: list[str], most: int = MOST_CLASSES) -> Confusion:
    """The confusion matrix; of more than ``most`` classes those that were most often confused with another."""
    names, shown = _padded(classes, len(counts)), _most_confused(counts, most)
    hidden = sorted(set(range(len(counts))) - set(shown))
    rows = []
    for true in shown:
        row, total = counts[true], sum(counts[true])
        cells = [_confusion_cell(row[predicted], total, predicted == true) for predicted in shown]
        rest = [_confusion_cell(sum(row[predicted] for predicted in hidden), total, False)] if hidden else []
        rows.append((names[true], [*cells, *rest]))
    return Confusion(rows, len(counts))


def _most_confused(counts: Matrix, most: int) -> list[int]:
    """The classes, in their order, with the most errors: their images predicted as others, and others' as theirs."""
    predicted = [sum(column) for column in zip(*counts, strict=True)]
    errors = [sum(row) + predicted[index] - 2 * row[index] for index, row in enumerate(counts)]
    return sorted(sorted(range(len(counts)), key=lambda index: -errors[index])[:most])


def _confusion_cell(count: int, total: int, is_right: bool) -> ConfusionCell:
    share = count / total if total else 0.0
    return ConfusionCell(count, share, _level(share), is_right)


def _level(share: float) -> int:
    return max(1, min(9, round(share**0.5 * 9))) if share > 0 else 0


def top_confusions(counts: Matrix, classes: list[str], most: int = 5) -> list[tuple[str, str, int, Value]]:
    """The most common errors: true class, predicted class, images, share of the true class."""
    names = _padded(classes, len(counts))
    found = [
        (names[true], names[predicted], count, percent(count / sum(row), digits=1))
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if count and predicted != true
    ]
    return sorted(found, key=lambda item: (-item[2], -(item[3].raw or 0.0)))[:most]


def _padded(classes: list[str], size: int) -> list[str]:
    """Exactly ``size`` names."""
    return [*classes[:size], *(str(index) for index in range(len(classes), size))]


def build(page: Page) -> dict[str, Any] | None:
    data = page.data
    shown = detailed(data)
    if not shown:
        return None
    models = [
        {
            "entry": entry,
            "curves": learning_curves(entry, page.translate),
            "classes": class_rows(entry.result.confusion, data.classes),
            "confusion": confusion(entry.result.confusion, data.classes),
            "bars": diagram(entry, page.translate),
            "confusions": top_confusions(entry.result.confusion, data.classes),
            "row": row,
        }
        for entry in shown
        if entry.result
        for row in [leader_row(entry)]
    ]
    return {"models": models, "left_out": len(data.ok) - len(shown)}


SECTION = Section(N_("Each model"), build)
