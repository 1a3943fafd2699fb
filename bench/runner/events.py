"""What a user may want to see while a study runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.results.schema import CellResult
from bench.study.schema import Cell

__all__ = ["Event", "OnEvent"]


@dataclass(frozen=True)
class Event:
    """Something that a user may want to see while a study runs."""

    kind: Literal["data", "batch", "plan", "start", "tick", "done", "skip", "round"]
    cell: Cell | None = None
    result: CellResult | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """data: what, done, count. batch: batch_size, largest (by cell), known (found by an earlier call). plan: cells,
    pending, run, warnings. tick: phase, epoch, epochs, loss ... round: number, of (a further round of the profile)."""


OnEvent = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """Tell nobody."""


def data_progress(tell: OnEvent) -> Callable[[str, int, int], None]:
    return lambda what, done, count: tell(Event("data", facts={"what": what, "done": done, "count": count}))
