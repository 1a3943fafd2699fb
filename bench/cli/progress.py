"""What a user sees while a study runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.results.schema import CellResult
from bench.runner.events import Event
from bench.study.schema import Cell

__all__ = ["Display", "duration"]

_STYLES = {"ok": "green", "waiting": "dim", "running": "bold cyan", "unavailable": "yellow", "interrupted": "yellow"}
_ROWS = 30


def duration(seconds: float | None) -> str:
    """Seconds as people read them: 850 ms, 12.3 s, 4 min 05 s, 2 h 07 min; empty for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


class Display:
    """Takes the events of a run. On a terminal it draws a table of the cells; elsewhere it prints a line an event."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._cells: tuple[Cell, ...] = ()
        self._states: dict[str, dict[str, Any]] = {}
        self._told: dict[str, int] = {}
        self._stage = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if event.kind == "data":
            self._data(event.facts)
        elif event.kind == "batch":
            origin = "as found before" if event.facts["known"] else "the largest that fits for every cell"
            self._line(f"batch size: {event.facts['batch_size']:,}, {origin}")
        elif event.kind == "plan":
            self._plan(event.facts)
        elif event.cell is not None:
            self._cell(event, event.cell)
        if self._live is not None:
            self._live.update(self._table(), refresh=event.kind != "tick")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _data(self, facts: dict[str, Any]) -> None:
        what, done, count = str(facts["what"]), int(facts["done"]), int(facts["count"])
        before, last = self._stage
        now = time.monotonic()
        if what != before or done == count or now - last > 5:
            self._stage = (what, now)
            if self._told.get(what) != count:
                self._line(f"data: {what} {done:,}/{count:,}", "dim")
            if done == count:
                self._told[what] = count

    def _plan(self, facts: dict[str, Any]) -> None:
        self._cells = facts["cells"]
        for warning in facts["warnings"]:
            self._line(f"warning: {warning}", "yellow")
        done = len(self._cells) - int(facts["pending"])
        self._line(f"{facts['run'].path}: {len(self._cells)} cells, {done} done before, {facts['pending']} to run")
        if self._console.is_terminal:
            self._live = Live(self._table(), console=self._console, refresh_per_second=2, transient=False)
            self._live.start()

    def _cell(self, event: Event, cell: Cell) -> None:
        state = self._states.setdefault(cell.id, {})
        number = f"[{[c.id for c in self._cells].index(cell.id) + 1}/{len(self._cells)}]"
        if event.kind == "start":
            state.update(state="running", since=time.monotonic())
            self._plain(f"{number} {cell.title}: started")
        elif event.kind == "tick":
            state.update(event.facts)
            self._epoch_line(number, cell, event.facts)
        elif event.kind == "round":
            self._plain(f"{number} {cell.title}: round {event.facts['number']} of {event.facts['of']}")
        elif event.result is not None:
            state.update(state=event.result.status.value, result=event.result)
            self._plain(f"{number} {cell.title}: {self._outcome(event.result)}")

    def _plain(self, text: str) -> None:
        if self._live is None:
            self._line(text)

    def _epoch_line(self, number: str, cell: Cell, facts: dict[str, Any]) -> None:
        """One line for each finished epoch that is seen; several that end between two looks share a line."""
        epoch = facts.get("finished")
        if self._live is not None or epoch is None or self._told.get(cell.id) == epoch:
            return
        self._told[cell.id] = epoch
        left = _left(facts)
        rest = "" if left is None else f", {duration(left)} left"
        self._line(
            f"{number} {cell.title}: epoch {epoch}/{facts['epochs']}, loss {facts['finished_loss']:.4f}, "
            f"validation accuracy {facts['validation_accuracy']:.2%}, {facts['images_per_second']:,.0f} images/s{rest}"
        )

    def _outcome(self, result: CellResult) -> str:
        if result.status.value != "ok":
            return f"{result.status.value}: {result.error.message if result.error else ''}"
        peak = result.memory.peak_ram_mib
        memory = f", peak RAM {peak:,.0f} MiB" if peak is not None else ""
        accuracy = result.metrics.get("accuracy")
        score = f"accuracy {accuracy:.2%}" if accuracy is not None else "no accuracy"
        return f"ok, {score}, {duration(result.timings.total_seconds)}{memory}"

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("model", "regime", "device", "precision", "seed"):
            table.add_column(name, no_wrap=name != "model")
        for name in ("state", "epoch", "loss", "images/s", "left", "accuracy"):
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=name != "state")
        for cell in self._visible():
            table.add_row(*self._row(cell))
        hidden = len(self._cells) - min(len(self._cells), _ROWS)
        if hidden:
            table.caption = f"and {hidden} more cells"
        return table

    def _visible(self) -> tuple[Cell, ...]:
        """A window of the cells around the one that runs."""
        running = [i for i, c in enumerate(self._cells) if self._states.get(c.id, {}).get("state") == "running"]
        start = max(0, min((running[0] if running else len(self._cells)) - _ROWS // 2, len(self._cells) - _ROWS))
        return self._cells[start : start + _ROWS]

    def _row(self, cell: Cell) -> list[Text]:
        facts = self._states.get(cell.id, {})
        state = str(facts.get("state", "waiting"))
        result: CellResult | None = facts.get("result")
        names = [cell.label, cell.regime, cell.device, cell.precision, str(cell.seed)]
        shown = {"running": str(facts.get("phase", "starting"))}.get(state, state)
        cells = [Text(name) for name in names] + [Text(shown, style=_STYLES.get(state, "red"))]
        if result is not None:
            accuracy = result.metrics.get("accuracy")
            score = "" if accuracy is None else f"{accuracy:.2%}"
            return [*cells, Text(str(result.epochs or "")), Text(""), Text(""), Text(""), Text(score)]
        epoch, loss, speed = facts.get("epoch"), facts.get("loss"), facts.get("images_per_second")
        left = _left(facts) if facts.get("phase") == "train" else None
        return [
            *cells,
            Text("" if epoch is None else f"{epoch:.1f}/{facts.get('epochs', '')}"),
            Text("" if loss is None else f"{loss:.4f}"),
            Text("" if speed is None else f"{speed:,.0f}"),
            Text(duration(left)),
            Text(""),
        ]


def _left(facts: dict[str, Any]) -> float | None:
    """Seconds to the end of training, from the pace so far; None before there is one."""
    epoch, epochs, spent = facts.get("epoch"), facts.get("epochs"), facts.get("training_seconds")
    if not epoch or not epochs or not spent:
        return None
    return float(spent) / float(epoch) * (float(epochs) - float(epoch))
