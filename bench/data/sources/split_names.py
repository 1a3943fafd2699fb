"""Which words name a split, alone or within the name of a folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.results.dataset import Split

__all__ = ["split_meant", "split_named"]

_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def split_named(word: str) -> Split | None:
    """Return the split that ``word`` names (``val`` is ``validation``), or None."""
    return _SPLITS.get(word.strip().lower())


def split_meant(name: str) -> Split | None:
    """Return the one split that a folder's name speaks of (``seg_train``, ``TestImages``, ``train2017``), or None."""
    words = [word.lower().removesuffix("set") for word in _WORD.findall(name)]
    meant = {_SPLITS[word] for word in words if word in _SPLITS}
    return meant.pop() if len(meant) == 1 else None
