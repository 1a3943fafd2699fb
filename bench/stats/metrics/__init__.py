"""Scores of a classifier, from the true labels and its probabilities alone.

A score that is undefined for the data at hand is ``None``, never 0: the recall of a class without images,
kappa where only one class is there and only that one is predicted. Scores are computed over all images at once,
never averaged over batches.

`METRICS` holds every metric by name; `summary` computes all of them, and a result stores what it returns. Whoever shows
or tests metrics reads the registry and names none::

    for name, metric in METRICS.load_all().items():
        if metric.column == "shown":
            Column(name, metric.title, metric.help, percent if metric.format == "percent" else number)

To add one, write a module with a `Metric` (see :mod:`bench.stats.metrics.base`) and register it below, or in the
entry-point group ``patchbench.metrics`` of a package. Metrics are computed where the measuring happens and read where a
report is made: their modules import numpy and nothing heavier, at least not before they are called.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from bench.registry import Registry
from bench.stats.metrics.base import Formula, Metric
from bench.stats.metrics.checks import checked_labels, checked_matrix, checked_pair, checked_probabilities
from bench.stats.metrics.matrices import (
    ClassScores,
    accuracy,
    balanced_accuracy,
    cohen_kappa,
    confusion_matrix,
    macro_f1,
    per_class,
)
from bench.stats.metrics.probabilities import (
    brier,
    calibration_bins,
    expected_calibration_error,
    log_loss,
    predicted_labels,
    top_k_accuracy,
)

__all__ = [
    "METRICS",
    "ClassScores",
    "Metric",
    "accuracy",
    "balanced_accuracy",
    "brier",
    "calibration_bins",
    "checked_labels",
    "checked_matrix",
    "checked_probabilities",
    "cohen_kappa",
    "confusion_matrix",
    "expected_calibration_error",
    "formulas",
    "log_loss",
    "macro_f1",
    "per_class",
    "predicted_labels",
    "summary",
    "top_k_accuracy",
]

METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "accuracy": "bench.stats.metrics.matrices:ACCURACY",
        "balanced_accuracy": "bench.stats.metrics.matrices:BALANCED_ACCURACY",
        "kappa": "bench.stats.metrics.matrices:KAPPA",
        "macro_f1": "bench.stats.metrics.matrices:MACRO_F1",
        "top2_accuracy": "bench.stats.metrics.probabilities:TOP2_ACCURACY",
        "log_loss": "bench.stats.metrics.probabilities:LOG_LOSS",
        "brier": "bench.stats.metrics.probabilities:BRIER",
        "ece": "bench.stats.metrics.probabilities:ECE",
    },
    group="patchbench.metrics",
)


def formulas() -> dict[str, Formula]:
    """Return, by name, the formula of every metric that a confusion matrix gives: these have intervals and tests."""
    found = {name: metric.of_matrices for name, metric in METRICS.load_all().items()}
    return {name: formula for name, formula in found.items() if formula is not None}


def summary(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float | None]:
    """Return every metric of a set of predictions by name, in the order of `METRICS`.

    ``labels``: ``(n,)`` class indices; ``probabilities``: ``(n, C)``, rows summing to 1. ``None`` where a metric is
    undefined. Raises :class:`DataError` on input that cannot be scored.
    """
    true, array = checked_pair(labels, probabilities)
    cm = confusion_matrix(true, array.argmax(axis=1), array.shape[1])
    return {name: metric.score(true, array, cm) for name, metric in METRICS.load_all().items()}
