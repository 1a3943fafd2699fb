"""Each model: classes, confusion matrix and curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.results.schema import CellResult
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


def class_rows(result: CellResult, classes: list[str]) -> list[ClassRow]:
    """Precision, recall, F1 and number of test images of each class."""
    if not result.confusion:
        return []
    scores, spans = per_class(result.confusion), class_intervals(result.confusion)
    return [
        ClassRow(
            name,
            percent(score.precision, N_("no image was said to be of this class"), 1),
            percent(score.recall, N_("no test image is of this class"), 1),
            number(score.f1, N_("neither there nor ever said")),
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
    """Test images of one true class that were said to be of one class."""

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


def confusion(result: CellResult, classes: list[str], most: int = MOST_CLASSES) -> Confusion:
    """The confusion matrix; of more than ``most`` classes those that were most often confused with another."""
    counts = result.confusion
    names, shown = _padded(classes, len(counts)), _most_confused(counts, most)
    hidden = sorted(set(range(len(counts))) - set(shown))
    rows = []
    for true in shown:
        row, total = counts[true], sum(counts[true])
        cells = [_confusion_cell(row[said], total, said == true) for said in shown]
        rest = [_confusion_cell(sum(row[said] for said in hidden), total, False)] if hidden else []
        rows.append((names[true], [*cells, *rest]))
    return Confusion(rows, len(counts))


def _most_confused(counts: tuple[tuple[int, ...], ...], most: int) -> list[int]:
    """The classes, in their order, with the most errors: their images taken for others, and others' for theirs."""
    said = [sum(column) for column in zip(*counts, strict=True)]
    errors = [sum(row) + said[index] - 2 * row[index] for index, row in enumerate(counts)]
    return sorted(sorted(range(len(counts)), key=lambda index: -errors[index])[:most])


def _confusion_cell(count: int, total: int, is_right: bool) -> ConfusionCell:
    share = count / total if total else 0.0
    return ConfusionCell(count, share, _level(share), is_right)


def _level(share: float) -> int:
    return max(1, min(9, round(share**0.5 * 9))) if share > 0 else 0


def top_confusions(result: CellResult, classes: list[str], most: int = 5) -> list[tuple[str, str, int, Value]]:
    """The commonest errors: true class, said class, images, share of the true class."""
    names = _padded(classes, len(result.confusion))
    found = [
        (names[true], names[said], count, percent(count / sum(row), digits=1))
        for true, row in enumerate(result.confusion)
        for said, count in enumerate(row)
        if count and said != true
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
            "classes": class_rows(entry.result, data.classes),
            "confusion": confusion(entry.result, data.classes),
            "bars": diagram(entry, page.translate),
            "confusions": top_confusions(entry.result, data.classes),
            "row": row,
        }
        for entry in shown
        if entry.result
        for row in [leader_row(entry)]
    ]
    return {"models": models, "left_out": len(data.ok) - len(shown)}


SECTION = Section(N_("Each model"), build)
