"""What a user may want to see while a study runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.execution.messages.progress import Progress
from bench.results.dataset import DatasetManifest
from bench.results.notice import Notice
from bench.results.run import Run
from bench.results.schema import CellResult
from bench.study.schema import Cell

__all__ = [
    "BatchSizeFound",
    "CellDone",
    "CellProgress",
    "CellSkipped",
    "CellStarted",
    "DataProgress",
    "Event",
    "OnEvent",
    "Planned",
    "RoundDone",
    "data_progress",
    "ignore_event",
]


@dataclass(frozen=True)
class DataProgress:
    """A stage of preparing the data has advanced, or ends where ``done`` is ``count``."""

    what: str
    """``audit``, ``pixels`` or ``batch size``."""
    done: int
    count: int


@dataclass(frozen=True)
class BatchSizeFound:
    """What ``batch_size: auto`` stands for in this run."""

    batch_size: int
    largest: Mapping[str, int]
    """The largest batch that fits, by the cell's title."""
    known: bool
    """Whether an earlier call of this run has found it."""


@dataclass(frozen=True)
class Planned:
    """The cells of a study, before the first of them starts."""

    cells: tuple[Cell, ...]
    pending: int
    """How many of them are to run."""
    run: Run
    warnings: tuple[Notice, ...]
    """Of the data, and of weights that are not there."""
    manifest: DatasetManifest | None = None
    """The data as it was understood."""


@dataclass(frozen=True)
class CellStarted:
    cell: Cell


@dataclass(frozen=True)
class CellProgress:
    cell: Cell
    progress: Progress


@dataclass(frozen=True)
class CellDone:
    """A cell has ended, and its result is stored."""

    cell: Cell
    result: CellResult


@dataclass(frozen=True)
class CellSkipped:
    """A cell has been done before."""

    cell: Cell
    result: CellResult


@dataclass(frozen=True)
class RoundDone:
    """A further round of a cell's inference profile has ended, and joined its result."""

    cell: Cell
    result: CellResult
    number: int
    """Which round, from 2."""
    of: int


Event = DataProgress | BatchSizeFound | Planned | CellStarted | CellProgress | CellDone | CellSkipped | RoundDone

OnEvent = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """Do nothing."""


def data_progress(on_event: OnEvent) -> Callable[[str, int, int], None]:
    """Return a function for the stages of preparing the data."""
    return lambda what, done, count: on_event(DataProgress(what, done, count))
