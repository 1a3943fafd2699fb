"""Why a class has too few images that can be divided, and what to do about it, for messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Causes"]


@dataclass(frozen=True, slots=True)
class Causes:
    """What made the images fewer, or joined them, before they were split."""

    near: frozenset[int] = frozenset()
    """Rows of images that look like another one, and stay with it."""
    copies: Mapping[str, int] = field(default_factory=dict)
    """Exact duplicates that were left out, by class."""
    grouped: bool = False
    """Whether the user names groups."""
    limited: bool = False
    """Whether ``dataset.limit`` took a part of the images."""

    def of(self, label: str, labels: Sequence[str]) -> str:
        """Say in parentheses what befell a class; empty where nothing did."""
        rows = [row for row, own in enumerate(labels) if own == label]
        alike = sum(row in self.near for row in rows)
        said = []
        if alike:
            said.append(f"{alike:,} of its {len(rows):,} images look alike (near duplicates), and stay in one split")
        if self.copies.get(label):
            said.append(f"{self.copies[label]:,} exact duplicates were left out")
        return f" ({'; '.join(said)})" if said else ""

    def advice(self, labels: Sequence[str], classes: Sequence[str]) -> str:
        """Say what to do where these classes are too small."""
        counts = Counter(label for row, label in enumerate(labels) if row in self.near)
        ways = ["add images"]
        if any(counts[label] for label in classes):
            ways.append(
                "lower dataset.duplicates.near_threshold, or set dataset.duplicates.near=report, which divides images "
                "that look alike (if they are not copies: the test would leak otherwise)"
            )
        if self.grouped:
            ways.append("use a finer group")
        if self.limited:
            ways.append("raise dataset.limit")
        return ", ".join(ways) + " or leave the class out"
