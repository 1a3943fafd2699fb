"""The table of all cells: one row a cell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.results.schema import CellResult
from bench.stats.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "columns", "to_frame"]


COLUMNS = (
    *("cell", "model", "family", "regime", "device", "precision", "seed", "status"),
    *("accuracy", "balanced_accuracy", "kappa"),
    *("train_seconds", "evaluate_seconds", "total_seconds", "peak_ram_mib", "peak_vram_mib"),
    *("parameters", "flops", "latency_p50_ms", "latency_p99_ms", "throughput_img_s", "energy_j", "cost_usd"),
)
"""The first columns of every export, in this order."""


def columns() -> tuple[str, ...]:
    """`COLUMNS`, then the metrics that every table shows and that are not among them."""
    shown = (name for name, metric in METRICS.load_all().items() if metric.column == "shown")
    return tuple(dict.fromkeys((*COLUMNS, *shown)))


def to_frame(results: list[CellResult]) -> pd.DataFrame:
    """One row a cell, columns as :func:`columns`; what was not measured is missing (None/NaN), never 0."""
    import pandas as pd

    rows = [_row(result) for result in results]
    frame = pd.DataFrame(rows, columns=list(columns()))
    return frame.astype(dict.fromkeys(("seed", "parameters", "flops"), "Int64"))


def _row(result: CellResult) -> dict[str, Any]:
    measured: Mapping[str, float | None] = result.metrics
    row: dict[str, Any] = {
        "cell": result.id,
        "model": result.label,
        "family": result.model.family,
        **{key: getattr(result.cell, key) for key in ("regime", "device", "precision", "seed")},
        "status": result.status.value,
        **{name: measured.get(name) for name in METRICS.names()},
        **{key: getattr(result.timings, key) for key in ("train_seconds", "evaluate_seconds", "total_seconds")},
        "peak_ram_mib": result.memory.peak_ram_mib,
        "peak_vram_mib": result.memory.peak_vram_mib,
        "parameters": result.model.parameters,
        "flops": result.model.flops,
        **{key: getattr(result.inference, key) for key in ("latency_p50_ms", "latency_p99_ms", "throughput_img_s")},
        "energy_j": result.energy.joules,
        "cost_usd": result.cost_usd,
    }
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
