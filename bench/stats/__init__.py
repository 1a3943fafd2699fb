"""How sure can we be? Everything that turns stored predictions and raw timings into honest statements.

The public face of :mod:`bench.stats.confidence` (one figure), :mod:`bench.stats.paired_tests`,
:mod:`bench.stats.paired_bootstrap` and :mod:`bench.stats.letters` (models against each other),
:mod:`bench.stats.timings` (samples of time) and :mod:`bench.stats.calibration` (probabilities). Nothing here reads
images or models, and nothing here needs more than labels, predictions and samples as a run stores them.
"""

from __future__ import annotations

from bench.stats.calibration import ReliabilityBin, Temperature, apply_temperature, fit_temperature, reliability
from bench.stats.confidence import (
    RESAMPLES,
    ClassIntervals,
    Interval,
    SeedSpread,
    class_intervals,
    interval,
    intervals,
    seed_spread,
    wilson,
)
from bench.stats.letters import Groups, groups
from bench.stats.paired_bootstrap import paired_difference
from bench.stats.paired_tests import (
    CochranQ,
    Comparison,
    cochran_q,
    compare_all,
    compare_pair,
    holm,
    mcnemar_exact,
)
from bench.stats.timings import Speedup, median_interval, speedup

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
