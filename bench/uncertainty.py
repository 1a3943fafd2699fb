"""How sure can we be? Everything that turns stored predictions and raw timings into honest statements.

The public face of three modules: :mod:`bench.intervals` (one figure), :mod:`bench.comparisons` (models against each
other) and :mod:`bench.calibration` (probabilities). Nothing here looks at images or models, and nothing here needs
more than labels, predictions and samples as a run stores them.
"""

from __future__ import annotations

from bench.calibration import ReliabilityBin, Temperature, apply_temperature, fit_temperature, reliability
from bench.comparisons import (
    CochranQ,
    Comparison,
    Groups,
    cochran_q,
    compare_all,
    compare_pair,
    groups,
    holm,
    mcnemar_exact,
    paired_difference,
)
from bench.intervals import (
    RESAMPLES,
    ClassIntervals,
    Interval,
    SeedSpread,
    Speedup,
    class_intervals,
    independent_difference,
    interval,
    intervals,
    median_interval,
    seed_spread,
    speedup,
    wilson,
)

__all__ = [
    "RESAMPLES",
    "ClassIntervals",
    "CochranQ",
    "Comparison",
    "Groups",
    "Interval",
    "ReliabilityBin",
    "SeedSpread",
    "Speedup",
    "Temperature",
    "apply_temperature",
    "class_intervals",
    "cochran_q",
    "compare_all",
    "compare_pair",
    "fit_temperature",
    "groups",
    "holm",
    "independent_difference",
    "interval",
    "intervals",
    "mcnemar_exact",
    "median_interval",
    "paired_difference",
    "reliability",
    "seed_spread",
    "speedup",
    "wilson",
]
