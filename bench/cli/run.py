"""What the commands do, without the parsing of their arguments and without the report."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.cli.progress import Display
from bench.measure.system.doctor import hindrances
from bench.measure.system.environment import environment
from bench.results.run import Run, Status
from bench.runner.reproduce import reproduce
from bench.runner.study import Event, prepare_study, run_study
from bench.study.load import load_study

__all__ = ["Finished", "again", "doctor", "dry_run", "print_outcomes", "run"]


@dataclass(frozen=True)
class Finished:
    """A run that has come to its end."""

    run: Run
    exit_code: int
    """0 when every cell of the study is ok, else 1."""


def run(
    study: str,
    *,
    data: Path | None,
    devices: Sequence[str],
    settings: Sequence[str],
    out: Path | None,
    retry: Literal["failed", "none"],
    keep_cache: bool,
    command: Sequence[str],
) -> Finished:
    """Run a study with its progress shown. Ctrl-C tells how to go on, and is raised again."""
    try:
        with Display() as display, tempfile.TemporaryDirectory(prefix="patchbench-") as temporary:
            finished = run_study(
                study,
                data=data,
                devices=devices,
                settings=settings,
                out=out,
                retry=retry,
                cache=None if keep_cache else Path(temporary),
                on_event=display,
                command=command,
            )
    except KeyboardInterrupt:
        print("Stopped. What is done is kept: run the same command again to go on.", file=sys.stderr)
        raise
    console = Console(highlight=False)
    planned = {cell["id"] for cell in finished.plan()}
    results = [result for result in finished.results() if result.id in planned]
    wrong = [result for result in results if result.status is not Status.OK]
    console.print(f"{len(results) - len(wrong)} of {len(planned)} cells ok. run: {finished.path}", soft_wrap=True)
    if wrong and console.is_terminal:  # elsewhere each cell's line has told it
        for result in wrong:
            message = result.error.message if result.error else ""
            where = f"{result.label} · {result.cell['regime']} · {result.cell['device']}"
            console.print(Text(f"{where}: {result.status.value}: {message}"), soft_wrap=True)
    if wrong:
        console.print("Run the same command with --retry failed to try the others again.")
    return Finished(finished, 1 if wrong else 0)


def again(
    original: Path, *, data: Path | None, settings: Sequence[str], out: Path | None, command: Sequence[str]
) -> Run:
    """Run the study that a run stored once more, into a new folder; tell where nothing was left to run.

    Ctrl-C is raised again.
    """
    made = 0
    with Display() as display:

        def tell(event: Event) -> None:
            nonlocal made
            made += event.kind in ("start", "done", "round")
            display(event)

        repeated = reproduce(original, data=data, settings=settings, out=out, on_event=tell, command=command)
    if not made:
        text = f"{repeated.path} is finished: nothing was run now. To run it once more, give a new folder with --out."
        Console(highlight=False).print(Text(text), soft_wrap=True)
    return repeated


_STYLES = {"title": "bold", "better": "green", "worse": "bold red", "unknown": "dim"}


def print_outcomes(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each with its kind: title, better, worse, same or unknown."""
    console = Console(highlight=False)
    for kind, text in lines:
        console.print(Text(text, style=_STYLES.get(kind, "")), soft_wrap=True)


def dry_run(study: str, *, data: Path | None, devices: Sequence[str], settings: Sequence[str]) -> None:
    """Check the study and its data, and list the cells."""
    checked = load_study(study, data=data, devices=devices, settings=settings)
    with Display() as display:
        prepared = prepare_study(checked, on_event=display)
    console = Console(highlight=False)
    for warning in prepared.manifest.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)
    for cell in prepared.cells:
        console.print(Text(f"{cell.id}  {cell.title}"), soft_wrap=True)
    console.print(f"{len(prepared.cells)} cells")
    if prepared.study.train.batch_size == "auto":
        note = "The ids will be others: train.batch_size is auto, and a run finds the number before its first cell."
        console.print(Text(note), soft_wrap=True)


def doctor() -> None:
    """Print the surroundings and what hinders good measuring."""
    facts = environment(["patchbench", "doctor"])
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for key, value in _flat(facts).items():
        table.add_row(Text(key), Text("not known" if value is None else str(value)))
    console.print(table)
    for hindrance in hindrances(facts):
        console.print(Text(f"warning: {hindrance}", style="yellow"), soft_wrap=True)


def _flat(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        name = f"{prefix}{key}"
        flat.update(_flat(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return flat
