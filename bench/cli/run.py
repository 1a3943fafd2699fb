"""``patchbench run`` and ``patchbench reproduce``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.cli.output import line
from bench.cli.report import Language, print_outcomes
from bench.cli.trust import Trust, require_trust
from bench.errors import BenchError, StudyError
from bench.execution.executor import EXECUTORS
from bench.terminal import printable

if TYPE_CHECKING:
    from bench.results.run import Run
    from bench.results.schema import CellResult
    from bench.runner.dry_run import DryRun
    from bench.runner.events import Event
    from bench.study.schema import Study

__all__ = ["reproduce", "run"]


class Retry(StrEnum):
    """What to do with cells that ended otherwise than ok."""

    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True)
class _Asked:
    """What the command line gives for a run."""

    study: str
    data: Path | None
    devices: Sequence[str]
    settings: Sequence[str]
    out: Path | None
    retry: Literal["failed", "none"]
    executor: str
    keep_cache: bool
    trust: bool

    def load(self) -> Study:
        from bench.study.load import load_study

        study = load_study(self.study, data=self.data, devices=self.devices, settings=self.settings)
        require_trust(study, Path(self.study).expanduser(), self.trust)
        return study


def run(
    study: Annotated[str, typer.Argument(help="A shipped study's name, or a YAML file.")],
    data: Annotated[Path | None, typer.Option(help="A folder of class folders, a zip of one, or a CSV.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME by default.")] = None,
    device: Annotated[str | None, typer.Option(help="Devices, comma separated: cpu,cuda.")] = None,
    executor: Annotated[
        str,
        typer.Option(
            metavar=f"[{'|'.join(EXECUTORS.entries)}|...]",
            help="What runs the cells: each a process of its own (local) or this one, for a debugger (inline).",
        ),
    ] = "local",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key: --set train.epochs=5.")
    ] = None,
    retry: Annotated[Retry, typer.Option(help="Run again what is not ok, or do not.")] = Retry.NONE,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check everything, list the cells and what is left to run; store nothing but downloads."
        ),
    ] = False,
    cache: Annotated[bool, typer.Option(help="Keep decoded pixels for later runs.")] = True,
    report: Annotated[bool, typer.Option(help="Render the report at the end.")] = True,
    trust: Trust = False,
) -> None:
    """Run a study: every model in a process of its own, timed and measured; then the report."""
    devices = [name.strip() for name in device.split(",") if name.strip()] if device is not None else []
    if device is not None and not devices:
        raise StudyError("--device names no device. Write for example --device cpu or --device cpu,cuda.")
    asked = _Asked(study, data, devices, set_ or [], out, retry.value, executor, cache, trust)
    if dry_run:
        _list_cells(asked)
        return
    finished = _run_cells(asked, ["patchbench", *sys.argv[1:]])
    if report:
        _report_at_the_end(finished.run)
    raise typer.Exit(finished.exit_code)


@dataclass(frozen=True)
class _Finished:
    """A run that has come to its end."""

    run: Run
    exit_code: int
    """0 when every cell of the study is ok, else 1."""


def _run_cells(asked: _Asked, command: Sequence[str]) -> _Finished:
    """Run a study with its progress shown."""
    from bench.cli.progress import Display
    from bench.data.cache_dir import run_cache
    from bench.runner.study import run_study

    live = not EXECUTORS.load(asked.executor).interactive
    with Display(live=live) as display, run_cache(keep=asked.keep_cache) as cache:
        finished = run_study(
            asked.load(),
            out=asked.out,
            retry=asked.retry,
            executor=asked.executor,
            cache=cache,
            on_event=display,
            command=command,
        )
    planned = {cell.id for cell in finished.plan()}
    results = [result for result in finished.results() if result.id in planned]
    return _Finished(finished, 0 if _summarize(finished, results, len(planned)) else 1)


def _summarize(finished: Run, results: Sequence[CellResult], planned: int) -> bool:
    """Print how the cells of a run have ended; returns whether all are ok."""
    from rich.console import Console

    from bench.cli.progress import failure_text
    from bench.results.schema import Status

    console = Console(highlight=False)
    wrong = [result for result in results if result.status is not Status.OK]
    console.print(line(f"{len(results) - len(wrong)} of {planned} cells ok. run: {finished.path}"), soft_wrap=True)
    if wrong and console.is_terminal:  # elsewhere each cell's line has reported it
        for result in wrong:
            where = f"{result.label} · {result.cell.regime} · {result.cell.device}"
            console.print(line(f"{where}: {failure_text(result)}"), soft_wrap=True)
    if wrong:
        console.print("Run the same command with --retry failed to try the others again.")
    return not wrong and 0 < planned == len(results)


def _report_at_the_end(finished: Run) -> None:
    """Render the report of a study that has just run; where that fails, say that its results are safe."""
    from reports import render_report

    try:
        typer.echo(printable(f"report: {render_report([finished]).resolve()}", lines=False))
    except BenchError as error:
        if not finished.path.is_dir():
            raise
        later = shlex.join(["patchbench", "report", str(finished.path)])
        raise type(error)(
            f"All results are stored in {finished.path}, but their report could not be written. {error}\n"
            f"Then render it with: {later}"
        ) from error


def _list_cells(asked: _Asked) -> None:
    """Check the study and its data, and list the cells with what a run would do with them."""
    from rich.console import Console

    from bench.cli.layout_lines import data_line
    from bench.cli.progress import Display
    from bench.runner.dry_run import dry_run
    from reports.text.messages import word

    EXECUTORS.check(asked.executor)
    with Display() as display:
        found = dry_run(asked.load(), out=asked.out, retry=asked.retry, on_event=display)
    console = Console(highlight=False)
    console.print(line(data_line(found.prepared.manifest)), soft_wrap=True)
    for warning in found.prepared.manifest.warnings:
        console.print(line(f"warning: {word(warning)}", "yellow"), soft_wrap=True)
    for cell in found.prepared.cells:
        console.print(line(f"{cell.id}  {cell.title}: {_planned_for(cell.id, found)}"), soft_wrap=True)
    cells, left = len(found.prepared.cells), len(found.due.cells)
    console.print(line(f"{found.folder}: {cells} cells, {cells - left} done, {left} to run"), soft_wrap=True)
    if not found.ids_are_final:
        note = "The ids will be others: train.batch_size is auto, and a run finds the number before its first cell."
        console.print(line(note), soft_wrap=True)


def _planned_for(cell_id: str, found: DryRun) -> str:
    """What a run would do with a cell."""
    known = found.results.get(cell_id)
    before = "" if known is None else f" ({known.status.value})"
    if cell_id in found.due.cells:
        return f"to run{' again' if known is not None else ''}{before}"
    return f"done{before}{', further rounds to run' if cell_id in found.due.rounds else ''}"


def reproduce(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    data: Annotated[Path | None, typer.Option(help="Where its data lies now, if elsewhere: a folder or a zip.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Where a file lies now: models.NAME.weights=FILE, split.file=FILE; more than once for several.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The new run folder; RUN-reproduced by default.")] = None,
    lang: Language = "en",
    trust: Trust = False,
) -> None:
    """Run a stored study again and report whether the scores agree; exit code 1 where they do not."""
    from bench.results.run import load_results
    from reports.comparison.reproducibility import agreement
    from reports.text.i18n import translator

    command = ["patchbench", *sys.argv[1:]]
    require_trust(load_results(run_folder).study, run_folder / "study.yaml", trust)
    repeated = _run_again(run_folder, data=data, settings=settings or (), out=out, command=command)
    _ = translator(lang)
    found = agreement(run_folder, repeated, _)
    print_outcomes(found.lines(_))
    raise typer.Exit(0 if found.agrees else 1)


def _run_again(
    original: Path, *, data: Path | None, settings: Sequence[str], out: Path | None, command: Sequence[str]
) -> Run:
    """Run the study that a run stored once more, into a new folder; say so where nothing was left to run."""
    from rich.console import Console

    from bench.cli.progress import Display
    from bench.runner.events import CellDone, CellStarted, RoundDone
    from bench.runner.reproduce import reproduce as run_stored_study

    made = 0
    with Display() as display:

        def notify(event: Event) -> None:
            nonlocal made
            made += isinstance(event, CellStarted | CellDone | RoundDone)
            display(event)

        repeated = run_stored_study(original, data=data, settings=settings, out=out, on_event=notify, command=command)
    if not made:
        text = f"{repeated.path} is finished: nothing was run now. To run it once more, give a new folder with --out."
        Console(highlight=False).print(line(text), soft_wrap=True)
    return repeated
