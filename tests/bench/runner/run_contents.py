"""What tests of runs ask of a run folder and of the events of a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.results.run import Run
from bench.runner.events import CellStarted, Event

__all__ = ["content", "no_half_files", "started", "statuses"]


def statuses(run: Run) -> list[str]:
    return [result.status.value for result in run.results()]


def content(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def started(events: list[Event]) -> list[int]:
    return [event.cell.seed for event in events if isinstance(event, CellStarted)]


def no_half_files(folder: Path) -> bool:
    return not [p for p in folder.rglob(".*") if p.name != ".lock" and p.is_file()]
