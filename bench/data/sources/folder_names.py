"""What the name of a folder says of it: a split, or a group such as a patient."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.results.dataset import Split

__all__ = ["is_group", "split_meant", "split_named"]

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


_GROUPS = re.compile(
    r"(?:patient|pat|pt|subject|subj|sub|person|participant|donor|case|animal|session|sess|visit|scan|slide|specimen|"
    r"sample|video|clip|sequence|seq|scene|recording|rec|camera|cam|run|batch|fold|plate|well|site|hospital|pid|day)"
    r"[ _.-]?(?:id)?[ _.#-]?\d+[a-z]?",
    re.IGNORECASE,
)
"""How the folder of a patient, a video and the like is called."""


def split_named(word: str) -> Split | None:
    """Return the split that ``word`` names (``val`` is ``validation``), or None."""
    return _SPLITS.get(word.strip().lower())


def split_meant(name: str) -> Split | None:
    """Return the one split that a folder's name speaks of (``seg_train``, ``TestImages``, ``train2017``), or None."""
    words = [word.lower().removesuffix("set") for word in _WORD.findall(name)]
    meant = {_SPLITS[word] for word in words if word in _SPLITS}
    return meant.pop() if len(meant) == 1 else None


def is_group(name: str) -> bool:
    """Whether a folder is called like one of many patients, videos and the like: a word and a number."""
    return _GROUPS.fullmatch(name) is not None
