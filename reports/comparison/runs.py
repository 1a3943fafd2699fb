"""What became better or worse from one run to another, beyond noise: quality, speed, memory, and how cells ended.

Quality is decided by tests on the same test images, times by their raw samples and on the same hardware only. What has
too few samples is reported but not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal

from bench.errors import RunError
from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.stats.paired_tests import Comparison, compare_pair, holm
from bench.stats.timings import speedup
from reports.inputs.entry import NOT_RUN, Entry
from reports.inputs.load import load_report_data
from reports.inputs.report_data import ReportData
from reports.inputs.significance import ALPHA, paired
from reports.text.formatting import Value, duration, memory, percent, points
from reports.text.i18n import Translator
from reports.text.messages import word

__all__ = ["Compared", "MetricChange", "Outcome", "Pair", "compare"]

Outcome = Literal["better", "worse", "same", "unknown"]

_UNKNOWN = "?"
_NOT_COUNTED = (NOT_RUN, Status.UNAVAILABLE.value, Status.INTERRUPTED.value)
"""How a cell can end without anything being known of it."""

TOLERANCE = 0.1
"""A time or a peak has to differ by more than this share: two runs of one program on one machine differ by some."""


@dataclass(frozen=True)
class MetricChange:
    """One figure of a cell in both runs."""

    measure: str
    before: Value
    after: Value
    change: str
    outcome: Outcome
    why: str
    """What the outcome rests on."""


@dataclass(frozen=True)
class _Tested(MetricChange):
    """An accuracy with its test, which waits for the correction over all cells."""

    comparison: Comparison


@dataclass(frozen=True)
class Pair:
    """One cell of the grid in both runs; None where a run does not plan it."""

    title: str
    before: Entry | None
    after: Entry | None
    changes: tuple[MetricChange, ...]

    @property
    def worse(self) -> bool:
        """Whether something became worse."""
        return any(item.outcome == "worse" for item in self.changes)


@dataclass(frozen=True)
class Compared:
    """Two runs beside each other."""

    data: ReportData
    pairs: tuple[Pair, ...]
    hardware: tuple[str, str]

    @property
    def regressions(self) -> list[Pair]:
        """The cells in which something became worse."""
        return [pair for pair in self.pairs if pair.worse]

    @property
    def only_before(self) -> list[Pair]:
        """Cells that the run after does not have, so that nothing can be said of them."""
        return [pair for pair in self.pairs if pair.after is None]

    def count(self, outcome: Outcome) -> int:
        """How many figures had an outcome."""
        return sum(item.outcome == outcome for pair in self.pairs for item in pair.changes)


def compare(before: Run | str | Path, after: Run | str | Path, _: Translator, tolerance: float = TOLERANCE) -> Compared:
    """Compare two runs on the same test images, cell by cell (label, regime, device, precision and seed).

    tolerance: the share by which a time or a memory peak has to differ. Raises `RunError` where the runs do not hold
    the same data and split, or are one and the same folder.
    """
    data = load_report_data([before, after], "comparison")
    first, second = data.runs
    if first.path.resolve() == second.path.resolve():
        raise RunError(f"{first.path} was given twice. Name two run folders: the one before and the one after.")
    grids = [_cells(data, run) for run in data.runs]
    if not grids[0].keys() & grids[1].keys():
        raise RunError(
            f"{first.path} and {second.path} have no cell in common: none of the one has the label, regime, device, "
            f"precision and seed of one of the other, so there is nothing to compare. Name two runs of one study."
        )
    keys = list(dict.fromkeys([*grids[0], *grids[1]]))
    hardware = _hardware(data, 0, _), _hardware(data, 1, _)
    same = hardware[0] == hardware[1] != _UNKNOWN
    pairs = [_pair(key, grids[0].get(key), grids[1].get(key), same, tolerance, _) for key in keys]
    return Compared(data, tuple(_corrected(pairs, _)), hardware)


def _cells(data: ReportData, run: Run) -> dict[tuple[str, ...], Entry]:
    """A run's cells; planned ones come first and stand, where an older one outside the plan is called the same."""
    found: dict[tuple[str, ...], Entry] = {}
    for entry in data.entries:
        if entry.run is run:
            found.setdefault(_key(entry), entry)
    return found


def _key(entry: Entry) -> tuple[str, ...]:
    return (*entry.configuration, str(entry.seed))


def _hardware(data: ReportData, index: int, _: Translator) -> str:
    """The CPU, its cores, and the GPUs of a run's machine."""
    environment = data.environments[index]
    cpu = environment.cpu
    if not cpu.model:
        return _UNKNOWN
    usable = "?" if cpu.usable is None else cpu.usable
    return ", ".join([f"{cpu.model} ({usable} {_('cores')})", *(gpu.name or "?" for gpu in environment.gpus)])


def _pair(
    key: tuple[str, ...], before: Entry | None, after: Entry | None, same: bool, tolerance: float, _: Translator
) -> Pair:
    label, *rest, seed = key
    title = " · ".join([label, *(part for part in rest if part), f"{_('seed')} {seed}"])
    if before is None or after is None:
        return Pair(title, before, after, ())
    changes = [_ending(before, after, _)]
    if before.result and after.result and before.is_ok and after.is_ok:
        changes += [_accuracy(before, after, _), *_costs(before.result, after.result, same, tolerance, _)]
    return Pair(title, before, after, tuple(changes))


def _ending(before: Entry, after: Entry, _: Translator) -> MetricChange:
    old, new = (Value(_(entry.status.replace("_", " ")), 1.0 if entry.is_ok else 0.0) for entry in (before, after))
    outcome: Outcome = "same"
    if before.status != after.status:
        outcome = "better" if after.is_ok else "worse" if before.is_ok else "unknown"
        if before.status in _NOT_COUNTED or after.status in _NOT_COUNTED:
            outcome = "unknown"
    return MetricChange(_("Status"), old, new, "", outcome, word(after.reason, _))


def _accuracy(before: Entry, after: Entry, _: Translator) -> MetricChange:
    """The outcome stands for this cell alone until `_corrected` has seen all of them."""
    old, new = (percent(entry.result.metrics.get("accuracy") if entry.result else None) for entry in (before, after))
    labels, predicted = paired([before, after])
    if len(predicted) < 2:
        return MetricChange(_("Accuracy"), old, new, "", "unknown", _("no predictions on the same images are stored"))
    found = compare_pair(labels, predicted[after.key], predicted[before.key])
    if not (found.only_a or found.only_b):
        return MetricChange(_("Accuracy"), old, new, points(0.0), "same", _("the same images are right"))
    return _Tested(_("Accuracy"), old, new, points(found.difference.estimate), "same", "", found)


def _corrected(pairs: list[Pair], _: Translator) -> list[Pair]:
    """Decide the accuracies by their tests, corrected over all cells (Holm)."""
    tested = [item.comparison for pair in pairs for item in pair.changes if isinstance(item, _Tested)]
    adjusted = iter(holm([found.p_value for found in tested]).tolist() if tested else [])
    decided = []
    for pair in pairs:
        changes = (_decided(item, next(adjusted), _) if isinstance(item, _Tested) else item for item in pair.changes)
        decided.append(replace(pair, changes=tuple(changes)))
    return decided


def _decided(item: _Tested, p: float, _: Translator) -> MetricChange:
    span = item.comparison.difference
    outcome: Outcome = "same" if p >= ALPHA else "better" if span.estimate > 0 else "worse"
    why = _("95 % interval {low} to {high} points, p = {p} after correction (McNemar, Holm)").format(
        low=points(span.low), high=points(span.high), p=f"{p:.2g}"
    )
    return MetricChange(item.measure, item.before, item.after, item.change, outcome, why)


def _costs(before: CellResult, after: CellResult, same: bool, tolerance: float, _: Translator) -> list[MetricChange]:
    times = [
        (_("An epoch, median"), before.timings.epoch_seconds, after.timings.epoch_seconds),
        (_("Latency, median"), _latencies(before), _latencies(after)),
    ]
    differ = _conditions(before, after, same, _)
    changes = [_time(name, a, b, differ, tolerance, _) for name, a, b in times if a and b]
    for name, key in ((_("Time to train"), "train_seconds"), (_("Time to evaluate"), "evaluate_seconds")):
        old, new = (getattr(result.timings, key) for result in (before, after))
        if old and new is not None:
            why = _("a single sample in each run")
            changes.append(MetricChange(name, duration(old), duration(new), f"× {new / old:.3g}", "unknown", why))
    return [*changes, *_peak(before, after, same, tolerance, _)]


def _conditions(before: CellResult, after: CellResult, same: bool, _: Translator) -> str:
    """Why the times of two runs of a cell cannot be compared; empty where they can."""
    if not same:
        return _("the machines differ")
    old, new = before.context.threads, after.context.threads
    if before.cell.device == "cpu" and old and new and old != new:
        return _("{old} threads before, {new} after").format(old=old, new=new)
    return ""


def _latencies(result: CellResult) -> tuple[float, ...]:
    """Raw seconds of one image in PyTorch as it is."""
    batches = [b for profile in result.profiles if profile.backend == "eager" for b in profile.batches]
    return next((batch.seconds for batch in batches if batch.batch_size == 1), ())


def _time(
    name: str, before: tuple[float, ...], after: tuple[float, ...], differ: str, tolerance: float, _: Translator
) -> MetricChange:
    found = speedup(before, after)
    old, new = duration(median(before)), duration(median(after))
    change = f"× {1 / found.ratio:.3g}"
    if differ:
        return MetricChange(name, old, new, change, "unknown", differ)
    if found.low is None or found.high is None:
        return MetricChange(name, old, new, change, "unknown", _("too few samples for an interval"))
    outcome: Outcome = "unknown"  # the interval holds both a difference that counts and none
    if found.low > 1 + tolerance:
        outcome = "better"
    elif found.high < 1 / (1 + tolerance):
        outcome = "worse"
    elif found.low >= 1 / (1 + tolerance) and found.high <= 1 + tolerance:
        outcome = "same"
    why = _("95 % interval of the ratio {low} to {high}; beyond {tolerance} counts").format(
        low=f"{1 / found.high:.3g}", high=f"{1 / found.low:.3g}", tolerance=percent(tolerance, digits=0).text
    )
    return MetricChange(name, old, new, change, outcome, why)


def _peak(before: CellResult, after: CellResult, same: bool, tolerance: float, _: Translator) -> list[MetricChange]:
    found = []
    for name, key in ((_("Peak RAM"), "peak_ram_mib"), (_("Peak GPU memory"), "peak_vram_mib")):
        a, b = (getattr(result.memory, key) for result in (before, after))
        if a is None or b is None or not a:
            continue
        ratio = b / a
        outcome: Outcome = "same"
        if ratio > 1 + tolerance:
            outcome = "worse"
        elif ratio < 1 / (1 + tolerance):
            outcome = "better"
        why = _("beyond {tolerance} counts").format(tolerance=percent(tolerance, digits=0).text)
        methods = {r.memory.method.code for r in (before, after) if r.memory.method}
        if key == "peak_ram_mib" and len(methods) > 1:
            outcome, why = "unknown", _("the methods of measuring it differ")
        if not same:
            outcome, why = "unknown", _("the machines differ")
        found.append(MetricChange(name, memory(a), memory(b), f"× {ratio:.3g}", outcome, why))
    return found
