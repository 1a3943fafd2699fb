"""Every error that patchbench raises on purpose.

    BenchError                  reported as one message, without a traceback; exit code 2
    ├── StudyError              a study file or a ``--set`` that cannot be used
    ├── DataError               a data set, an archive, an image or a split that cannot be used
    ├── ModelError              an unknown model, or weights that do not fit it
    ├── RunError                a run folder that is missing, foreign, damaged or cannot be written
    ├── DeviceError             a device that this machine does not have
    └── DependencyError         a package that is not installed, or not as expected

A message states what was wrong, what is allowed and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BenchError",
    "DataError",
    "DependencyError",
    "DeviceError",
    "ModelError",
    "RunError",
    "StudyError",
    "nearest",
]


_LONGEST_WORD = 100
"""Comparing words takes the product of their lengths."""


class BenchError(Exception):
    """The root: catch this one to catch every error that patchbench raises on purpose."""


class StudyError(BenchError):
    """A study file, or a setting given beside it, cannot be used."""


class DataError(BenchError):
    """A data set, an archive, an image or a split cannot be used."""


class ModelError(BenchError):
    """A model is unknown, or its weights do not fit it."""


class RunError(BenchError):
    """A run folder is missing, belongs to another study, is damaged or cannot be written."""


class DeviceError(BenchError):
    """A device was asked for that this machine does not have."""


class DependencyError(BenchError):
    """A package is needed that is not installed or not as expected; the message names the command that installs it."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest of ``known``, or an empty string when none is close."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6) if len(word) <= _LONGEST_WORD else []
    return f" Did you mean {found[0]!r}?" if found else ""
