"""Which test images the page shows: right ones, the most confident errors, and those where models disagree."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData, detailed
from reports.sections.base import Page, Section
from reports.text.i18n import N_

__all__ = ["MOST_BARS", "SECTION", "GalleryImage", "Prediction", "disagreements", "images_of"]

MOST_BARS = 20
"""At most so many classes of an answer are shown, and the true one."""


@dataclass(frozen=True)
class Prediction:
    """What one model predicted for one image."""

    entry: Entry
    predicted: str
    probabilities: tuple[tuple[str, float, bool], ...]
    """For every class, most probable first: its name, its probability, whether it is the true one. Of more than
    `MOST_BARS` classes for the most probable ones, and after them for the true one where it is none of these."""
    is_right: bool

    @property
    def confidence(self) -> float:
        """The probability of the predicted class."""
        return self.probabilities[0][1]


@dataclass(frozen=True)
class GalleryImage:
    """A test image and what one model, or several, predicted for it."""

    name: str
    source: str | None
    """The image as a data URI; None where the run keeps no small copy of it."""
    true: str
    kind: str
    """right, wrong or disagree."""
    answers: tuple[Prediction, ...]


def images_of(entry: Entry, data: ReportData, turn: int = 0, each: int = 4) -> list[GalleryImage]:
    """Images for one model: its most confident errors, then right ones of middling confidence.

    ``turn`` decides with which class the right ones start, so that several models show different classes.
    """
    found = entry.predictions
    if found is None or not len(found.labels):
        return []
    predicted, confidence = found.predicted, found.probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != found.labels)
    chosen = sorted(wrong.tolist(), key=lambda i: (-float(confidence[i]), found.images[i]))[:each]
    right = _typical_right(found.labels, predicted, confidence, turn, each)
    return [_image(index, "wrong", [entry], data) for index in chosen] + [
        _image(index, "right", [entry], data) for index in right
    ]


def _typical_right(
    labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, turn: int, most: int
) -> list[int]:
    """One image a class: the right one of median confidence."""
    classes = sorted(set(labels.tolist()))
    classes = classes[turn % len(classes) :] + classes[: turn % len(classes)]
    chosen: list[int] = []
    for label in classes:
        right = np.flatnonzero((labels == label) & (predicted == label))
        if len(right) and len(chosen) < most:
            order = right[np.argsort(confidence[right], kind="stable")]
            chosen.append(int(order[len(order) // 2]))
    return chosen


def disagreements(entries: Sequence[Entry], data: ReportData, most: int = 8) -> list[GalleryImage]:
    """Images of which the models predicted the most different classes, those that about half got right first."""
    found = [(entry, entry.predictions) for entry in entries]
    known = [(entry, p) for entry, p in found if p is not None and p.images == _images(entries)]
    if len(known) < 2:
        return []
    predicted = np.stack([p.predicted for _, p in known])
    labels = known[0][1].labels
    variety = np.array([len(set(column)) for column in predicted.T.tolist()])
    right = (predicted == labels).mean(axis=0)
    names = known[0][1].images
    order = sorted(range(len(names)), key=lambda i: (-int(variety[i]), abs(float(right[i]) - 0.5), names[i]))
    return [_image(i, "disagree", [e for e, _ in known], data) for i in order[:most] if variety[i] > 1]


def _images(entries: Sequence[Entry]) -> list[str]:
    for entry in entries:
        if entry.predictions is not None:
            return entry.predictions.images
    return []


def _image(index: int, kind: str, entries: Sequence[Entry], data: ReportData) -> GalleryImage:
    first = entries[0].predictions
    assert first is not None  # the callers chose the index from these predictions
    name = first.images[index]
    jpeg = data.thumbnails.get(name)
    true = int(first.labels[index])
    answers = tuple(_answer(entry, index, true, data.classes) for entry in entries)
    return GalleryImage(
        name=name,
        source=f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else None,
        true=_name(data.classes, true),
        kind=kind,
        answers=answers,
    )


def _answer(entry: Entry, index: int, true: int, classes: list[str]) -> Prediction:
    found = entry.predictions
    assert found is not None  # entries without predictions were left out
    row = found.probabilities[index]
    order = sorted(range(len(row)), key=lambda i: (-float(row[i]), i))
    shown = [i for place, i in enumerate(order) if place < MOST_BARS or i == true]
    probabilities = tuple((_name(classes, i), float(row[i]), i == true) for i in shown)
    return Prediction(entry, _name(classes, order[0]), probabilities, order[0] == true)


def _name(classes: list[str], index: int) -> str:
    return classes[index] if index < len(classes) else str(index)


def build(page: Page) -> dict[str, Any] | None:
    data = page.data
    first: dict[tuple[str, str], Entry] = {}
    shown_ones = set(map(id, detailed(data)))
    for entry in data.leading:
        if id(entry) in shown_ones:
            first.setdefault((entry.label, entry.regime), entry)
    shown = list(first.values())
    split = disagreements(shown[:12], data)
    models = [
        {"entry": entry, "images": found}
        for turn, entry in enumerate(shown[:24])
        if (found := images_of(entry, data, turn))
    ]
    return {"disagreements": split, "models": models, "most": MOST_BARS} if models else None


SECTION = Section(N_("Test images"), build)
