"""When a claim counts as supported or contradicted by cells that differ in nothing but what it is about."""

from __future__ import annotations

from collections.abc import Iterable

from reports.text.i18n import N_

__all__ = ["NOISE", "Finding", "more", "outcome"]

NOISE = 0.03
"""A relative difference of a time, a memory or an energy below this counts as none: each was measured once per cell."""

Finding = tuple[str, str]
"""An outcome (supported, contradicted or not enough evidence) and the figures that it rests on."""


def outcome(holds: Iterable[bool | None]) -> str:
    """Supported where it holds in all cases, contradicted where in none; None: too close to call."""
    cases = list(holds)
    if cases and all(case is True for case in cases):
        return N_("supported")
    if cases and all(case is False for case in cases):
        return N_("contradicted")
    return N_("not enough evidence")


def more(a: float, b: float) -> bool | None:
    """Whether ``a`` is more than ``b``; None within `NOISE`."""
    return None if abs(a - b) <= NOISE * max(abs(a), abs(b)) else a > b
