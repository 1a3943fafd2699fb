"""Labels of a CSV that a program wrote and no person meant: the same number twice, a word for a missing value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["is_missing", "same_numbers"]

_MISSING = frozenset(
    {"", "nan", "na", "n/a", "#n/a", "#na", "<na>", "null", "none", "nat", "-nan", "#value!", "#ref!", "?"}
)
"""What tables write where there is no value."""


def is_missing(label: str) -> bool:
    """Whether a label is what programs write for none."""
    return label.lower() in _MISSING


def same_numbers(labels: Iterable[str]) -> list[list[str]]:
    """Return the labels that are one number in several ways of writing: ``1`` and ``1.0``."""
    written: dict[float, set[str]] = defaultdict(set)
    for label in labels:
        if label.isascii() and label[:1] in "+-.0123456789" and "_" not in label:
            try:
                written[float(label)].add(label)
            except ValueError:
                continue
    return sorted(sorted(ways) for ways in written.values() if len(ways) > 1)
