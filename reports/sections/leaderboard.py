"""The rows of the page's tables. Pure: from what was gathered to plain values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.results.run import CellResult, Status
from bench.stats import Interval, Speedup, class_intervals, speedup
from bench.stats.metrics import per_class
from reports.inputs.report_data import NOT_RUN, Entry, Gathered
from reports.text.formatting import Value, amount, duration, memory, number, percent, plain
from reports.text.i18n import Translate

__all__ = [
    "COLUMNS",
    "ClassRow",
    "Column",
    "Confusion",
    "ConfusionCell",
    "LeaderRow",
    "PairRow",
    "class_rows",
    "confusion",
    "device_pairs",
    "leader_row",
    "leaderboard",
    "top_confusions",
]


@dataclass(frozen=True)
class Column:
    """A column of figures of the leaderboard."""

    key: str
    title: str
    help: str
    value: Callable[[CellResult, str], Value]
    """From a result and the reason to give where the figure is missing."""
    is_shown: bool = True
    """Whether it is in the table from the start; others can be chosen."""


def _metric(name: str, write: Callable[[float | None, str], Value]) -> Callable[[CellResult, str], Value]:
    return lambda result, why: write(result.metrics.get(name), why)


def _inference(name: str, unit: str) -> Callable[[CellResult, str], Value]:
    return lambda result, why: plain(result.inference.get(name), why, unit)


def _energy(result: CellResult, why: str) -> Value:
    return plain(result.energy.joules, result.energy.not_measured or why, "J")


def _cost(result: CellResult, why: str) -> Value:
    if result.cost_usd is None and result.price_per_hour is None:
        why = "the study names no price for this device"
    value = plain(result.cost_usd, why)
    return value if value.is_missing else Value(f"{value.raw:.2g}", value.raw, value.title)


COLUMNS: tuple[Column, ...] = (
    Column("accuracy", "Accuracy", "Share of test images classified right.", _metric("accuracy", percent)),
    Column(
        "balanced_accuracy",
        "Balanced accuracy",
        "Mean of the recalls of all classes: rare classes count as much as common ones.",
        _metric("balanced_accuracy", percent),
    ),
    Column(
        "kappa",
        "Kappa",
        "Cohen's kappa: agreement with the labels beyond chance, 1 is perfect.",
        _metric("kappa", number),
    ),
    Column("macro_f1", "Macro F1", "Mean of the F1 scores of all classes.", _metric("macro_f1", number), False),
    Column(
        "train_seconds",
        "Time to train",
        "Feature pass, all epochs and their validation. Start-up and warm-up are not in it.",
        lambda r, why: duration(r.timings.train_seconds, why),
    ),
    Column(
        "evaluate_seconds",
        "Time to evaluate",
        "One pass over the test images, from pixels to probabilities.",
        lambda r, why: duration(r.timings.evaluate_seconds, why),
    ),
    Column(
        "total_seconds",
        "Time in all",
        "From the start of the cell's process to its end.",
        lambda r, why: duration(r.timings.total_seconds, why),
        False,
    ),
    Column(
        "peak_ram_mib",
        "Peak RAM",
        "Highest memory of the cell's process tree, each shared page counted once (PSS).",
        lambda r, why: memory(r.memory.peak_ram_mib, why),
    ),
    Column(
        "peak_vram_mib",
        "Peak GPU memory",
        "Highest memory allocated on the GPU.",
        lambda r, why: memory(r.memory.peak_vram_mib, why if r.cell.get("device") != "cpu" else "ran on the CPU"),
        False,
    ),
    Column(
        "parameters",
        "Parameters",
        "Weights of the model, trained and frozen.",
        lambda r, why: amount(r.model.parameters, why),
    ),
    Column(
        "trainable",
        "Trained parameters",
        "Weights that training changed.",
        lambda r, why: amount(r.model.trainable_parameters, why),
        False,
    ),
    Column(
        "flops",
        "FLOPs",
        "Floating-point operations of one image's forward pass; a multiply-add counts as two.",
        lambda r, why: amount(r.model.flops, why),
        False,
    ),
    Column(
        "latency_p50_ms",
        "Latency, median",
        "Time for one image by itself, half are faster.",
        _inference("latency_p50_ms", "ms"),
        False,
    ),
    Column(
        "latency_p99_ms",
        "Latency, 99 %",
        "Time for one image by itself, 99 of 100 are faster.",
        _inference("latency_p99_ms", "ms"),
        False,
    ),
    Column(
        "throughput_img_s", "Throughput", "Images a second in batches.", _inference("throughput_img_s", "img/s"), False
    ),
    Column("energy_j", "Energy", "Joules from hardware counters.", _energy, False),
    Column("cost_usd", "Cost", "Time in all x the study's price of the device per hour.", _cost, False),
)


@dataclass(frozen=True)
class LeaderRow:
    """A cell in the leaderboard: one value for each of `COLUMNS`, in their order."""

    entry: Entry
    values: tuple[Value, ...]


def leaderboard(gathered: Gathered) -> list[LeaderRow]:
    """Every cell, whatever its status: those with scores first, by accuracy, then the others as planned."""
    return [leader_row(entry) for entry in [*gathered.ok, *gathered.not_ok]]


def leader_row(entry: Entry) -> LeaderRow:
    """The row of one cell."""
    if entry.result is None:
        return LeaderRow(entry, tuple(Value("–", None, "no result is stored") for _ in COLUMNS))
    result = entry.result
    if result.status is Status.UNAVAILABLE:
        return LeaderRow(entry, tuple(Value("–", None, "there is no such device here") for _ in COLUMNS))
    why = "not measured" if entry.is_ok else "the cell did not get this far"
    return LeaderRow(entry, tuple(column.value(result, why) for column in COLUMNS))


@dataclass(frozen=True)
class PairRow:
    """One model on the CPU and on another device, all else equal."""

    cpu: Entry
    other: Entry
    cells: tuple[tuple[Value, Value], ...]
    """(CPU, other) for accuracy, time to train, time to evaluate, peak RAM."""
    train_speedup: Value
    """How many times faster the other device trained."""
    evaluate_speedup: Value
    epoch_speedup: Speedup | None
    """The same from the raw samples of the epochs, with its interval; None where either has none."""

    def setting(self, gathered: Gathered, _: Translate) -> str:
        """The devices, and what else tells this pair from the others."""
        varied = [key for key in ("regime", "precision", "seed") if gathered.same_everywhere(key) is None]
        named = [f"{_('seed')} {self.cpu.seed}" if key == "seed" else str(getattr(self.cpu, key)) for key in varied]
        return " · ".join([*named, f"cpu / {self.other.device}"])


def device_pairs(gathered: Gathered) -> list[PairRow]:
    """Pairs of cells that differ in nothing but the device, one of them on the CPU, with whatever status."""
    by_key: dict[tuple[Any, ...], dict[str, Entry]] = {}
    for entry in gathered.entries:
        key = (entry.label, entry.regime, entry.precision, entry.seed, _made_by(entry))
        by_key.setdefault(key, {}).setdefault(entry.device, entry)
    return [
        _pair(found["cpu"], other)
        for found in by_key.values()
        if "cpu" in found
        for device, other in found.items()
        if device != "cpu" and NOT_RUN not in (other.status, found["cpu"].status)
    ]


def _made_by(entry: Entry) -> str:
    """How the cell was built and trained: joined runs may give one label to cells that differ in it."""
    cell = entry.result.cell if entry.result else {}
    model = cell.get("model")
    built = {key: value for key, value in model.items() if key != "weights"} if isinstance(model, dict) else model
    return json.dumps([built, cell.get("train"), cell.get("weights_sha256")], sort_keys=True, default=str)


def _pair(cpu: Entry, other: Entry) -> PairRow:
    keys = ("accuracy", "train_seconds", "evaluate_seconds", "peak_ram_mib")
    index = {column.key: position for position, column in enumerate(COLUMNS)}
    left, right = leader_row(cpu).values, leader_row(other).values
    cells = tuple((left[index[key]], right[index[key]]) for key in keys)
    epochs = [entry.result.timings.epoch_seconds if entry.result else () for entry in (cpu, other)]
    by_epoch = speedup(epochs[0], epochs[1]) if all(epochs) else None
    return PairRow(cpu, other, cells, _times_faster(*cells[1]), _times_faster(*cells[2]), by_epoch)


def _times_faster(slow: Value, fast: Value) -> Value:
    if not slow.raw or not fast.raw:
        return Value("–", None, "not measured on both devices")
    ratio = slow.raw / fast.raw
    return Value(f"{ratio:.3g} ×" if ratio < 1000 else f"{ratio:.0f} ×", ratio, f"{ratio:.6g}")


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
            percent(score.precision, "no image was said to be of this class", 1),
            percent(score.recall, "no test image is of this class", 1),
            number(score.f1, "neither there nor ever said"),
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
