"""Words that a run stores as the name of something: they are shown through the translator, and marked for it here."""

from __future__ import annotations

from reports.text.i18n import N_

__all__ = ["ANSWERS", "PHASES", "SPLITS", "SPLIT_METHODS", "STATUSES", "VERDICTS"]

STATUSES = (
    N_("ok"),
    N_("failed"),
    N_("timeout"),
    N_("out of memory"),
    N_("diverged"),
    N_("unavailable"),
    N_("interrupted"),
    N_("not run"),
)
"""How a cell ended: `bench.results.schema.Status`, with spaces; and a cell without a result."""

PHASES = (
    N_("start"),
    N_("data"),
    N_("model"),
    N_("warm-up"),
    N_("compile"),
    N_("train"),
    N_("evaluate"),
    N_("inference"),
)
"""Phases of a cell, as its memory and energy are divided."""

SPLITS = (N_("train"), N_("validation"), N_("test"))

SPLIT_METHODS = (N_("stratified"), N_("grouped"), N_("kfold"), N_("file"), N_("official"))
"""`bench.study.dataset.SplitMethod`, but ``auto``."""

ANSWERS = (N_("yes"), N_("no"), N_("unknown"))
"""What a check of the reproducibility checklist comes to."""

VERDICTS = (
    N_("identical"),
    N_("within the interval"),
    N_("differs"),
    N_("not run"),
    N_("not trained"),
    N_("no scores to compare"),
)
"""`reports.comparison.reproducibility.Verdict`."""
