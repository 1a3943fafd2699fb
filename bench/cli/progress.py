"""What a user sees while a study runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.cli.layout_lines import data_line
from bench.cli.output import line
from bench.execution.messages.progress import Progress
from bench.results.duration import duration
from bench.results.schema import CellResult, Status
from bench.runner.events import (
    BatchSizeFound,
    CellDone,
    CellProgress,
    CellSkipped,
    CellStarted,
    DataProgress,
    Event,
    Planned,
    RoundDone,
)
from bench.study.schema import Cell

__all__ = ["Display", "failure_text"]

_STYLES = {"ok": "green", "waiting": "dim", "running": "bold cyan", "unavailable": "yellow", "interrupted": "yellow"}
_ROWS = 30
_REPEATED_AFTER = 5.0
"""Seconds after which a stage of the data that is still running is shown again."""


def failure_text(result: CellResult) -> str:
    """Why a cell is not ok: its status and what happened."""
    from reports.text.messages import word

    return f"{result.status.value}: {word(result.error.notice) if result.error else ''}"


@dataclass
class _State:
    """What is known of a cell."""

    running: bool = False
    progress: Progress | None = None
    """None before the cell has reported anything."""
    result: CellResult | None = None
    shown_epoch: int = 0
    """The last epoch that has had its line."""


class Display:
    """Takes the events of a run. On a terminal it draws a table of the cells; elsewhere it prints a line an event."""

    def __init__(self, console: Console | None = None, *, live: bool = True) -> None:
        """live: whether a table may be displayed on a terminal."""
        self._console = console or Console(highlight=False)
        self._draws = live and self._console.is_terminal
        self._live: Live | None = None
        self._cells: tuple[Cell, ...] = ()
        self._states: dict[str, _State] = {}
        self._complete: dict[str, int] = {}
        self._stage = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        match event:
            case DataProgress():
                self._data(event)
            case BatchSizeFound():
                origin = "as found before" if event.known else "the largest that fits for every cell"
                self._line(f"batch size: {event.batch_size:,}, {origin}")
            case Planned():
                self._plan(event)
            case _:
                self._cell(event)
        if self._live is not None:
            self._live.update(self._table(), refresh=not isinstance(event, CellProgress))

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(line(text, style), soft_wrap=True)

    def _data(self, event: DataProgress) -> None:
        what, done, count = event.what, event.done, event.count
        before, last = self._stage
        now = time.monotonic()
        if what != before or done == count or now - last > _REPEATED_AFTER:
            self._stage = (what, now)
            if self._complete.get(what) != count:
                self._line(f"data: {what} {done:,}/{count:,}", "dim")
            if done == count:
                self._complete[what] = count

    def _plan(self, event: Planned) -> None:
        from reports.text.messages import word

        self._cells = event.cells
        if event.manifest is not None:
            self._line(data_line(event.manifest))
        for warning in event.warnings:
            self._line(f"warning: {word(warning)}", "yellow")
        done = len(event.cells) - event.pending
        self._line(f"{event.run.path}: {len(event.cells)} cells, {done} done before, {event.pending} to run")
        if self._draws:
            self._live = Live(self._table(), console=self._console, refresh_per_second=2, transient=False)
            self._live.start()

    def _cell(self, event: CellStarted | CellProgress | CellDone | CellSkipped | RoundDone) -> None:
        state = self._states.setdefault(event.cell.id, _State())
        number = f"[{[c.id for c in self._cells].index(event.cell.id) + 1}/{len(self._cells)}]"
        title = f"{number} {event.cell.title}"
        match event:
            case CellStarted():
                state.running = True
                self._plain(f"{title}: started")
            case CellProgress():
                state.progress = event.progress
                self._epoch_line(title, state, event.progress)
            case RoundDone():
                self._plain(f"{title}: round {event.number} of {event.of}")
            case CellDone() | CellSkipped():
                state.running, state.result = False, event.result
                self._plain(f"{title}: {_outcome(event.result)}")
                if isinstance(event, CellDone):
                    self._notices(title, event.result)

    def _notices(self, title: str, result: CellResult) -> None:
        """What a reader has to know of a cell stays on the screen, above a live table too."""
        from reports.text.messages import word

        for notice in result.context.notices:
            self._line(f"warning: {title}: {word(notice)}", "yellow")

    def _plain(self, text: str) -> None:
        if self._live is None:
            self._line(text)

    def _epoch_line(self, title: str, state: _State, progress: Progress) -> None:
        """One line for each finished epoch that is seen; several that end between two polls share a line."""
        finished = progress.finished
        if self._live is not None or finished is None or state.shown_epoch == finished.epoch:
            return
        state.shown_epoch = finished.epoch
        loss = "" if finished.loss is None else f", loss {finished.loss:.4f}"
        left = f", {duration(progress.seconds_left)} left" if progress.seconds_left else ""
        self._line(
            f"{title}: epoch {finished.epoch}/{progress.epochs}{loss}, validation accuracy "
            f"{finished.validation_accuracy:.2%}, {finished.images_per_second:,.0f} images/s{left}"
        )

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("model", "regime", "device", "precision", "seed"):
            table.add_column(name, no_wrap=name != "model")
        for name in ("state", "epoch", "loss", "images/s", "left", "accuracy"):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=name != "state")
        for cell in self._visible():
            table.add_row(*_row(cell, self._states.get(cell.id, _State())))
        hidden = len(self._cells) - min(len(self._cells), _ROWS)
        if hidden:
            table.caption = f"and {hidden} more cells"
        return table

    def _visible(self) -> tuple[Cell, ...]:
        """A window of the cells around the one that runs."""
        running = [i for i, cell in enumerate(self._cells) if self._states.get(cell.id, _State()).running]
        start = max(0, min((running[0] if running else len(self._cells)) - _ROWS // 2, len(self._cells) - _ROWS))
        return self._cells[start : start + _ROWS]


def _outcome(result: CellResult) -> str:
    """The text of the line of a cell that has ended."""
    if result.status is not Status.OK:
        return failure_text(result)
    peak, seconds = result.memory.peak_ram_mib, result.timings.total_seconds
    accuracy = result.metrics.get("accuracy")
    score = f"accuracy {accuracy:.2%}" if accuracy is not None else "no accuracy"
    took = f", {duration(seconds)}" if seconds is not None else ""
    memory = f", peak RAM {peak:,.0f} MiB" if peak is not None else ""
    return f"ok, {score}{took}{memory}"


def _row(cell: Cell, state: _State) -> list[Text]:
    names = [line(name) for name in (cell.label, cell.regime, cell.device, cell.precision, str(cell.seed))]
    if state.result is not None and not state.running:
        status, accuracy = state.result.status.value, state.result.metrics.get("accuracy")
        score = "" if accuracy is None else f"{accuracy:.2%}"
        shown = (str(state.result.epochs or ""), "", "", "", score)
        return [*names, Text(status, style=_STYLES.get(status, "red")), *map(Text, shown)]
    if not state.running:
        return [*names, Text("waiting", style=_STYLES["waiting"]), *[Text("")] * 5]
    progress = state.progress or Progress(phase="starting")
    left = progress.seconds_left if progress.phase == "train" else None
    shown = (
        "" if progress.epoch is None else f"{progress.epoch:.1f}/{progress.epochs}",
        "" if progress.loss is None else f"{progress.loss:.4f}",
        "" if progress.finished is None else f"{progress.finished.images_per_second:,.0f}",
        duration(left),
        "",
    )
    return [*names, line(progress.phase, _STYLES["running"]), *map(Text, shown)]
