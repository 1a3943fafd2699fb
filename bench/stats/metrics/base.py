"""What a metric is: how it is computed, and what tables and tests need to know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.stats.metrics.checks import Floats, Ints

__all__ = ["Formula", "Metric"]

Formula = Callable[[Floats], Floats]
"""From stacked confusion matrices ``(..., C, C)``, rows the true classes, to scores ``(...)``, nan where undefined. The
bootstrap passes weights, not whole counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One score of a set of predictions. Give it one of two forms: `of_matrices` if a confusion matrix is enough (it
    then has intervals and paired tests too), else `of_probabilities`."""

    title: str
    """The heading of its column, in English."""
    help: str
    """One sentence: what it measures, and which value is best."""
    of_matrices: Formula | None = None
    of_probabilities: Callable[[Ints, Floats], float | None] | None = None
    """From labels ``(n,)`` and probabilities ``(n, C)``, both checked, to the score; None where it is undefined."""
    smooth: bool = False
    """Whether the slightest change of a probability changes it as slightly: true of no metric of ranks or bins."""
    higher_is_better: bool = True
    format: Literal["percent", "number"] = "percent"
    """How it is written: 0.931 as ``93.1 %``, or as a plain number."""
    column: Literal["shown", "optional", "none"] = "shown"
    """``shown``: every table and export has a column of it; ``optional``: the leaderboard lets the reader choose it;
    ``none``: it is stored, and only sections that ask for it show it."""

    def __post_init__(self) -> None:
        if (self.of_matrices is None) == (self.of_probabilities is None):
            raise TypeError(f"the metric {self.title!r} needs either of_matrices or of_probabilities")

    def score(self, labels: Ints, probabilities: Floats, matrix: Ints) -> float | None:
        """Return the score, None where it is undefined.

        Args:
            labels: true classes, ``(n,)``.
            probabilities: ``(n, C)``, rows summing to 1.
            matrix: the confusion matrix of both, ``(C, C)``.
        """
        if self.of_probabilities is not None:
            found = self.of_probabilities(labels, probabilities)
        else:
            assert self.of_matrices is not None
            found = float(self.of_matrices(matrix.astype(np.float64)))
        return None if found is None or np.isnan(found) else float(found)  # a package's may be a number of NumPy's
