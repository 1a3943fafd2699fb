"""Whether a probability means what it says: reliability diagrams, scores, and what a temperature would repair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.errors import DataError, RunError
from bench.stats.calibration import Temperature, apply_temperature, fit_temperature, reliability
from bench.stats.metrics import summary
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.sections.base import Page, Section
from reports.text.formatting import Value, number
from reports.text.i18n import N_, Translator

__all__ = ["MOST", "SECTION", "Bar", "CalibrationRow", "diagram", "fitted_temperature"]

MOST = 24
"""At most this many models in the table, the most accurate."""
_SCORES = ("ece", "brier", "log_loss")
_BINS = 10
_SIDE = 200


@dataclass(frozen=True)
class Bar:
    """One bin in the coordinates of a square of side 200, y downwards."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    low: float
    high: float
    opacity: float
    title: str


@dataclass(frozen=True)
class CalibrationRow:
    """How far one model's probabilities mean what they say, before and after temperature scaling."""

    entry: Entry
    before: tuple[Value, ...]
    """ECE, Brier, log loss on the test images."""
    temperature: Value
    """Fitted on validation images."""
    after: tuple[Value, ...]
    """The same scores once the probabilities of the test images were brought to that temperature."""


def build(page: Page) -> dict[str, Any] | None:
    """One cell of each model, regime and precision; None where no predictions are stored."""
    data, _ = page.data, page.translate
    first: dict[tuple[str, str, str], Entry] = {}
    for entry in data.leading:
        first.setdefault((entry.label, entry.regime, entry.precision), entry)
    rows = [_row(entry, data) for entry in list(first.values())[:MOST] if entry.predictions is not None]
    return {"rows": rows} if rows else None


def _row(entry: Entry, data: ReportData) -> CalibrationRow:
    metrics = entry.result.metrics if entry.result else {}
    before = tuple(number(metrics.get(key)) for key in _SCORES)
    fitted, found = fitted_temperature(entry, data), entry.predictions
    if fitted is None or found is None:
        missing = number(None, N_("no probabilities of validation images are stored"))
        return CalibrationRow(entry, before, missing, (missing,) * len(_SCORES))
    after = summary(found.labels, apply_temperature(found.probabilities, fitted.value))
    temperature = number(fitted.value, digits=2)
    if fitted.at_limit:
        temperature = Value(f"≈ {temperature.text}", temperature.raw, temperature.title)
    return CalibrationRow(entry, before, temperature, tuple(number(after[key]) for key in _SCORES))


def fitted_temperature(entry: Entry, data: ReportData) -> Temperature | None:
    """The temperature that fits the model's answers on the validation images; None where those are not stored."""
    dataset = entry.run.dataset if len(data.runs) > 1 else data.dataset
    labels = [dataset.labels[row] for row in dataset.rows("validation")]
    probabilities = entry.run.validation(entry.cell_id, len(labels))
    if probabilities is None or len(probabilities) != len(labels) or not labels:
        return None  # of other images, as where a head was chosen by cross-validation
    try:
        return fit_temperature(labels, probabilities)
    except DataError as error:
        path = entry.run.cell_folder(entry.cell_id) / "validation.npy"
        raise RunError(f"{path} is damaged ({error}). Delete that cell's folder and run the study again.") from error


def diagram(entry: Entry, _: Translator) -> list[Bar]:
    """The bars of the reliability diagram; empty where no predictions are stored."""
    found = entry.predictions
    if found is None:
        return []
    bins = reliability(found.labels, found.probabilities, _BINS)
    most = max(part.count for part in bins)
    text = _("confidence {low} to {high}: {n} images, {accuracy} % right")
    return [
        Bar(
            x=_round(part.low * _SIDE + 1),
            y=_round((1 - part.accuracy.estimate) * _SIDE),
            width=_round((part.high - part.low) * _SIDE - 2),
            height=_round(part.accuracy.estimate * _SIDE),
            middle=_round((part.low + part.high) / 2 * _SIDE),
            low=_round((1 - part.accuracy.low) * _SIDE),
            high=_round((1 - part.accuracy.high) * _SIDE),
            opacity=_round(0.35 + 0.65 * (part.count / most) ** 0.5),
            title=text.format(
                low=f"{part.low:.1f}",
                high=f"{part.high:.1f}",
                n=part.count,
                accuracy=f"{part.accuracy.estimate * 100:.0f}",
            ),
        )
        for part in bins
        if part.accuracy is not None
    ]


def _round(value: float) -> float:
    return round(value, 1)


SECTION = Section(N_("Calibration"), build)
