"""How many CPUs may work for this process, and how many threads a cell is given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from bench.errors import RunError
from bench.measure.system.cgroups import MOUNT, cpu_quota
from bench.results.settings import ThreadsBy

__all__ = ["Threads", "affinity", "cell_threads", "usable_cpus"]

_VARIABLE: Literal["OMP_NUM_THREADS"] = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Threads:
    """Threads of a cell on the CPU, and what decided how many."""

    count: int
    by: ThreadsBy


def affinity() -> int:
    """How many of the machine's CPUs this process may run on; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, psutil.cpu_count() or 1)


def usable_cpus(mount: Path = MOUNT, own: str | None = None) -> int:
    """How many threads can work at once: the CPUs of the affinity, or the control groups' quota where that is less.

    The quota is rounded down, for a thread too many has all of them wait; at least 1. mount, own: see `cpu_quota`.
    """
    return _allowed(mount, own).count


def _allowed(mount: Path, own: str | None) -> Threads:
    cpus, quota = affinity(), cpu_quota(mount, own)
    if quota is not None and max(1, int(quota)) < cpus:
        return Threads(max(1, int(quota)), "quota")
    return Threads(cpus, "affinity")


def cell_threads(
    asked: int | None, variable: str | None = None, *, mount: Path = MOUNT, own: str | None = None
) -> Threads:
    """Threads of a cell: what the study sets, else as many as can work at once, or OMP_NUM_THREADS where that is less.

    asked: the study's train.threads. variable: OMP_NUM_THREADS as the user set it, None where it is not set. Raises
    `RunError` where that is not a number of threads.
    """
    if asked is not None:
        return Threads(asked, "study")
    allowed = _allowed(mount, own)
    first = (variable or "").split(",")[0].strip()  # OpenMP takes a list, a number for each level of nesting
    if not first:
        return allowed
    if not (first.isascii() and first.isdigit() and len(first) < 10 and int(first) > 0):
        raise RunError(
            f"{_VARIABLE} is {variable!r}; it has to be a whole number of threads, 1 or more. Unset it or correct it, "
            f"or set train.threads in the study, which comes first."
        )
    return Threads(int(first), _VARIABLE) if int(first) < allowed.count else allowed
