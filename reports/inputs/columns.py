"""The columns of the leaderboard, and of accuracy against cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from bench.results.schema import CellResult, Status
from bench.stats.metrics import METRICS, Metric
from reports.inputs.entry import Entry
from reports.inputs.metrics import written
from reports.text.formatting import Value, Why, amount, duration, memory, plain
from reports.text.i18n import N_

__all__ = ["COSTS", "Column", "Cost", "LeaderRow", "columns", "leader_row"]


@dataclass(frozen=True)
class Column:
    """A column of figures of the leaderboard."""

    key: str
    title: str
    help: str
    value: Callable[[CellResult, Why], Value]
    """From a result and the reason to give where the figure is missing."""
    is_shown: bool = True
    """Whether it is in the table from the start; others can be chosen."""


Reader = Callable[[CellResult, Why], Value]


def _metric(name: str, metric: Metric) -> Reader:
    return lambda result, why: written(metric, result.metrics.get(name), why)


def _inference(name: str, unit: str) -> Reader:
    return lambda result, why: plain(getattr(result.inference, name), why, unit)


def _energy(result: CellResult, why: Why) -> Value:
    return plain(result.energy.joules, result.energy.not_measured or why, "J")


def _cost(result: CellResult, why: Why) -> Value:
    if result.cost_usd is None and result.price_per_hour is None:
        why = N_("the study names no price for this device")
    value = plain(result.cost_usd, why)
    return value if value.is_missing else Value(f"{value.raw:.2g}", value.raw, value.title)


@cache
def columns() -> tuple[Column, ...]:
    """Every column in its order: the metrics that are columns, then what they cost."""
    scores = (
        Column(name, metric.title, metric.help, _metric(name, metric), metric.column == "shown")
        for name, metric in METRICS.load_all().items()
        if metric.column != "none"
    )
    return (*scores, *_COSTS_OF_CELL)


_COSTS_OF_CELL: tuple[Column, ...] = (
    Column(
        "train_seconds",
        N_("Time to train"),
        N_("Feature pass, all epochs and their validation. Start-up and warm-up are not in it."),
        lambda r, why: duration(r.timings.train_seconds, why),
    ),
    Column(
        "evaluate_seconds",
        N_("Time to evaluate"),
        N_("One pass over the test images, from pixels to probabilities."),
        lambda r, why: duration(r.timings.evaluate_seconds, why),
    ),
    Column(
        "total_seconds",
        N_("Total time"),
        N_("From the start of the cell's process to its end."),
        lambda r, why: duration(r.timings.total_seconds, why),
        False,
    ),
    Column(
        "peak_ram_mib",
        N_("Peak RAM"),
        N_("Highest memory of the cell's process tree, each page counted once."),
        lambda r, why: memory(r.memory.peak_ram_mib, why),
    ),
    Column(
        "peak_vram_mib",
        N_("Peak GPU memory"),
        N_("Highest memory allocated on the GPU."),
        lambda r, why: memory(r.memory.peak_vram_mib, why if r.cell.device != "cpu" else N_("ran on the CPU")),
        False,
    ),
    Column(
        "parameters",
        N_("Parameters"),
        N_("Weights of the model, trained and frozen."),
        lambda r, why: amount(r.model.parameters, why),
    ),
    Column(
        "trainable",
        N_("Trained parameters"),
        N_("Weights that training changed."),
        lambda r, why: amount(r.model.trainable_parameters, why),
        False,
    ),
    Column(
        "flops",
        N_("FLOPs"),
        N_("Floating-point operations of one image's forward pass; a multiply-add counts as two."),
        lambda r, why: amount(r.model.flops, why),
        False,
    ),
    Column(
        "latency_p50_ms",
        N_("Latency, median"),
        N_("Latency of a single image: median."),
        _inference("latency_p50_ms", "ms"),
        False,
    ),
    Column(
        "latency_p99_ms",
        N_("Latency, 99 %"),
        N_("Latency of a single image: 99th percentile."),
        _inference("latency_p99_ms", "ms"),
        False,
    ),
    Column(
        "throughput_img_s",
        N_("Throughput"),
        N_("Images per second in batches."),
        _inference("throughput_img_s", "img/s"),
        False,
    ),
    Column("energy_j", N_("Energy"), N_("Joules from hardware counters."), _energy, False),
    Column("cost_usd", N_("Cost"), N_("Total time x the study's price of the device per hour."), _cost, False),
)


@dataclass(frozen=True)
class LeaderRow:
    """A cell in the leaderboard: one value for each of `columns`, in their order."""

    entry: Entry
    values: tuple[Value, ...]


def leader_row(entry: Entry) -> LeaderRow:
    """The row of one cell."""
    if entry.result is None:
        return LeaderRow(entry, tuple(Value("–", None, N_("no result is stored")) for _ in columns()))
    result = entry.result
    if result.status is Status.UNAVAILABLE:
        return LeaderRow(entry, tuple(Value("–", None, N_("there is no such device here")) for _ in columns()))
    why = N_("not measured") if entry.is_ok else N_("the cell did not get this far")
    return LeaderRow(entry, tuple(column.value(result, why) for column in columns()))


@dataclass(frozen=True)
class Cost:
    """What accuracy is set against."""

    key: str
    title: str
    unit: str
    value: Callable[[CellResult], float | None]


COSTS: tuple[Cost, ...] = (
    Cost("train_seconds", N_("Time to train"), "s", lambda r: r.timings.train_seconds),
    Cost("evaluate_seconds", N_("Time to evaluate"), "s", lambda r: r.timings.evaluate_seconds),
    Cost("peak_ram_mib", N_("Peak RAM"), "MiB", lambda r: r.memory.peak_ram_mib),
    Cost("peak_vram_mib", N_("Peak GPU memory"), "MiB", lambda r: r.memory.peak_vram_mib),
    Cost("parameters", N_("Parameters"), "", lambda r: r.model.parameters),
    Cost("flops", N_("FLOPs"), "", lambda r: r.model.flops),
    Cost("latency_p50_ms", N_("Latency, median"), "ms", lambda r: r.inference.latency_p50_ms),
    Cost("energy_j", N_("Energy"), "J", lambda r: r.energy.joules),
    Cost("cost_usd", N_("Cost"), "", lambda r: r.cost_usd),
)
