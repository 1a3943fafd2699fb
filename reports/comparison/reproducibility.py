"""Whether a run that was made again agrees with the first: in its scores, and by how much its times differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from bench.results.run import Run
from bench.stats.confidence import RESAMPLES, interval
from bench.stats.paired_bootstrap import paired_difference
from reports.inputs.entry import Entry
from reports.inputs.load import load_report_data
from reports.inputs.metrics import compared_metrics
from reports.inputs.significance import paired
from reports.text.formatting import duration, percent, points
from reports.text.i18n import ENGLISH, Translator

__all__ = ["LEVEL", "Agreement", "CellAgreement", "agreement"]

Verdict = Literal["identical", "within the interval", "differs", "not run", "not trained", "no scores to compare"]
LEVEL = 0.95
"""Of all intervals of differences together."""
_MOST_RESAMPLES = 50_000
"""Beyond this a cell of many classes takes a second; the outermost draws then stand for what lies beyond them."""
_FAILING = ("differs", "not run")
_AGREEING = ("identical", "within the interval")


@dataclass(frozen=True)
class CellAgreement:
    """One cell of the first run and what became of it in the second."""

    title: str
    verdict: Verdict
    detail: str
    times: str

    @property
    def agrees(self) -> bool:
        """Whether the second run bears the first out, or there was nothing to bear out."""
        return self.verdict not in _FAILING


@dataclass(frozen=True)
class Agreement:
    """All cells of the first run."""

    cells: tuple[CellAgreement, ...]

    @property
    def agrees(self) -> bool:
        """Whether every cell does, and one at least has scores in both runs; or whether none was trained in either."""
        scored = any(cell.verdict in _AGREEING for cell in self.cells)
        return self.is_untrained or (scored and all(cell.agrees for cell in self.cells))

    @property
    def is_untrained(self) -> bool:
        """Whether both runs only measured the inference of every cell, so that there is no score to disagree on."""
        return bool(self.cells) and all(cell.verdict == "not trained" for cell in self.cells)

    def lines(self, _: Translator = ENGLISH) -> Iterator[tuple[str, str]]:
        """Lines for the terminal with their kind."""
        for cell in self.cells:
            yield "same" if cell.agrees else "worse", f"{cell.title}: {_(cell.verdict)}{cell.detail}{cell.times}"
        if self.is_untrained:
            yield "title", _("Nothing was trained in either run, so there are no scores that could differ.")
            return
        good = sum(cell.verdict in _AGREEING for cell in self.cells)
        rest = sum(cell.verdict in ("not trained", "no scores to compare") for cell in self.cells)
        text = _("{good} of {all} cells agree with the first run.")
        if rest:
            text = _("{good} of {all} cells agree with the first run; {n} had no scores to compare.")
        yield "title", text.format(good=good, all=len(self.cells), n=rest)


def agreement(first: Run | str | Path, second: Run | str | Path, _: Translator = ENGLISH) -> Agreement:
    """Compare a run with its repetition, cell by cell.

    A cell is ``identical`` when every test image got the same class. Otherwise the metrics that tables
    show are compared on the same images by the paired bootstrap: ``within the interval`` when the interval of each
    difference holds 0, else ``differs``. The intervals together are at 95 %, divided by the number of differences
    (Bonferroni), so that many cells do not make a difference by chance. Where no predictions are stored, the new
    accuracy has to lie in the 95 % interval of the first. A cell that ended another way differs too.
    Raises `RunError` where the runs do not hold the same data and split.
    """
    data = load_report_data([first, second], "comparison")
    repeated: dict[tuple[object, ...], Entry] = {}
    for entry in data.entries:
        if entry.run is data.runs[1]:
            repeated.setdefault((*entry.configuration, entry.seed), entry)
    pairs = [
        (entry, repeated.get((*entry.configuration, entry.seed)))
        for entry in data.entries
        if entry.run is data.runs[0] and (entry.planned or not data.runs[0].plan())
    ]
    both = sum(entry.is_ok and other is not None and other.is_ok for entry, other in pairs)
    level = 1 - (1 - LEVEL) / (len(compared_metrics()) * max(both, 1))
    return Agreement(tuple(_cell(entry, other, level, _) for entry, other in pairs))


def _cell(before: Entry, after: Entry | None, level: float, _: Translator) -> CellAgreement:
    title = " · ".join([*filter(None, before.configuration), f"{_('seed')} {before.seed}"])
    if before.result is None:
        return CellAgreement(title, "no scores to compare", f": {_('the first run has no result')}", "")
    if after is None or after.result is None:
        return CellAgreement(title, "not run", "", "")
    if not (before.is_ok and after.is_ok):
        verdict: Verdict = "no scores to compare" if before.status == after.status else "differs"
        old, new = (_(entry.status.replace("_", " ")) for entry in (before, after))
        return CellAgreement(title, verdict, ": " + _("{old} then, {new} now").format(old=old, new=new), "")
    verdict, detail = _scores(before, after, level, _)
    return CellAgreement(title, verdict, detail, _times(before, after, _))


def _scores(before: Entry, after: Entry, level: float, _: Translator) -> tuple[Verdict, str]:
    assert before.result is not None  # both are ok
    assert after.result is not None
    old, new = before.result.metrics.get("accuracy"), after.result.metrics.get("accuracy")
    if old is None and new is None:
        return "not trained", ""
    both = _("{old} then, {new} now").format(old=percent(old).text, new=percent(new).text)
    text = f": {_('accuracy')} {both}"
    if old is None or new is None:
        return "differs", text
    labels, predicted = paired([before, after])
    if len(predicted) == 2:
        return _paired_scores(labels, predicted[before.key], predicted[after.key], level, text, _)
    span = interval(before.result.confusion, "accuracy") if before.result.confusion else None
    if span is None:
        return ("identical" if old == new else "differs"), text
    ends = {"low": percent(span.low, digits=1).text, "high": percent(span.high, digits=1).text}
    text += ", " + _("95 % interval then {low} to {high}").format(**ends)
    return ("within the interval" if span.low <= new <= span.high else "differs"), text


def _paired_scores(
    labels: np.ndarray, then: np.ndarray, now: np.ndarray, level: float, text: str, _: Translator
) -> tuple[Verdict, str]:
    """Compare two runs' predictions on the same test images."""
    changed = int((then != now).sum())
    if not changed:
        return "identical", f"{text}, {_('every test image the same')}"
    spans = {
        metric.title: paired_difference(labels, now, then, name, level=level, resamples=_resamples(level))
        for name, metric in compared_metrics().items()
    }
    known = {title: span for title, span in spans.items() if span is not None}
    changes = _("{n} of {all} test images changed class; now minus then, in points: {parts}")
    ends = _("{low} to {high}")
    parts = (
        f"{_(title)} {points(span.estimate)} ({ends.format(low=points(span.low), high=points(span.high))})"
        for title, span in known.items()
    )
    text += "; " + changes.format(n=changed, all=len(labels), parts=", ".join(parts))
    return ("within the interval" if all(span.holds(0.0) for span in known.values()) else "differs"), text


def _resamples(level: float) -> int:
    """So many that ten lie beyond each end of an interval at this level, within `_MOST_RESAMPLES`."""
    return min(_MOST_RESAMPLES, max(RESAMPLES, math.ceil(20 / (1 - level))))


def _times(before: Entry, after: Entry, _: Translator) -> str:
    assert before.result is not None
    assert after.result is not None
    ratios = []
    for name, key in (("train", "train_seconds"), ("evaluate", "evaluate_seconds")):
        old, new = (getattr(entry.result.timings, key) for entry in (before, after) if entry.result)
        if old and new:
            both = _("{old} then, {new} now").format(old=duration(old).text, new=duration(new).text)
            ratios.append(f"{_(name)} {both} (× {new / old:.2f})")
    return "; " + "; ".join(ratios) if ratios else ""
