"""Which metrics tables and figures show, and how they are written: all of it from the registry of metrics."""

from __future__ import annotations

from bench.stats.metrics import METRICS, Metric
from reports.text.formatting import NOT_MEASURED, Value, Why, number, percent

__all__ = ["compared_metrics", "shown_metrics", "written"]


def shown_metrics() -> dict[str, Metric]:
    """The metrics that every table has a column of, by name."""
    return {name: metric for name, metric in METRICS.load_all().items() if metric.column == "shown"}


def compared_metrics() -> dict[str, Metric]:
    """Those of them that have intervals and paired tests."""
    return {name: metric for name, metric in shown_metrics().items() if metric.of_matrices is not None}


def written(metric: Metric, score: float | None, why: Why = NOT_MEASURED) -> Value:
    """A score as its metric is written: in percent, or as a number."""
    return percent(score, why) if metric.format == "percent" else number(score, why)
