"""``patchbench run`` and ``patchbench reproduce``."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bench.cli.report import Language, print_outcomes
from bench.errors import BenchError, StudyError

if TYPE_CHECKING:
    from bench.results.run import Run
    from bench.runner.events import Event

__all__ = ["reproduce", "run"]


class Retry(StrEnum):
    """What to do with cells that ended otherwise than ok."""

    FAILED = "failed"
    NONE = "none"


class Executor(StrEnum):
    """Where cells run."""

    LOCAL = "local"


def run(
    study: Annotated[str, typer.Argument(help="A shipped study's name, or a YAML file.")],
    data: Annotated[Path | None, typer.Option(help="A folder of class folders, a zip of one, or a CSV.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME by default.")] = None,
    device: Annotated[str | None, typer.Option(help="Devices, comma separated: cpu,cuda.")] = None,
    executor: Annotated[Executor, typer.Option(help="Where the cells run.")] = Executor.LOCAL,  # noqa: ARG001
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key: --set train.epochs=5.")
    ] = None,
    retry: Annotated[Retry, typer.Option(help="Run again what is not ok, or leave it.")] = Retry.NONE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and list the cells.")] = False,
    cache: Annotated[bool, typer.Option(help="Keep decoded pixels for later runs.")] = True,
    report: Annotated[bool, typer.Option(help="Render the report at the end.")] = True,
) -> None:
    """Run a study: every model in a process of its own, timed and measured; then the report."""
    devices = [name.strip() for name in device.split(",") if name.strip()] if device is not None else []
    if device is not None and not devices:
        raise StudyError("--device names no device. Write for example --device cpu or --device cpu,cuda.")
    asked: dict[str, Any] = {"data": data, "devices": devices, "settings": set_ or []}
    if dry_run:
        _list_cells(study, **asked)
        return
    command = ["patchbench", *sys.argv[1:]]
    try:
        finished = _run_cells(study, **asked, out=out, retry=retry.value, keep_cache=cache, command=command)
    except KeyboardInterrupt:
        typer.echo(
            f"patchbench: interrupted; what was done is stored. To go on: {shlex.join(command)}\n"
            "the same command again does what is left.",
            err=True,
        )
        raise typer.Exit(130) from None
    if report:
        _report_at_the_end(finished.run)
    raise typer.Exit(finished.exit_code)


@dataclass(frozen=True)
class _Finished:
    """A run that has come to its end."""

    run: Run
    exit_code: int
    """0 when every cell of the study is ok, else 1."""


def _run_cells(
    study: str,
    *,
    data: Path | None,
    devices: Sequence[str],
    settings: Sequence[str],
    out: Path | None,
    retry: Literal["failed", "none"],
    keep_cache: bool,
    command: Sequence[str],
) -> _Finished:
    """Run a study with its progress shown. Ctrl-C tells how to go on, and is raised again."""
    from rich.console import Console
    from rich.text import Text

    from bench.cli.progress import Display
    from bench.results.schema import Status
    from bench.runner.study import run_study

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
    return _Finished(finished, 1 if wrong else 0)


def _report_at_the_end(finished: Run) -> None:
    """Render the report of a study that has just run; where that fails, say that its results are safe."""
    from reports import render_report

    try:
        typer.echo(f"report: {render_report([finished]).resolve()}")
    except BenchError as error:
        later = shlex.join(["patchbench", "report", str(finished.path)])
        raise type(error)(
            f"All results are stored in {finished.path}, but their report could not be written. {error}\n"
            f"Then render it with: {later}"
        ) from error


def _list_cells(study: str, *, data: Path | None, devices: Sequence[str], settings: Sequence[str]) -> None:
    """Check the study and its data, and list the cells."""
    from rich.console import Console
    from rich.text import Text

    from bench.cli.progress import Display
    from bench.runner.preparation import prepare_study
    from bench.study.load import load_study

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
) -> None:
    """Run a stored study again and tell whether the scores agree; exit code 1 where they do not."""
    from reports.comparison.reproducibility import agreement
    from reports.text.i18n import translator

    command = ["patchbench", *sys.argv[1:]]
    try:
        repeated = _run_again(run_folder, data=data, settings=settings or (), out=out, command=command)
    except KeyboardInterrupt:
        typer.echo(f"patchbench: interrupted; to go on: {shlex.join(command)}", err=True)
        raise typer.Exit(130) from None
    _ = translator(lang)
    found = agreement(run_folder, repeated, _)
    print_outcomes(found.lines(_))
    raise typer.Exit(0 if found.agrees else 1)


def _run_again(
    original: Path, *, data: Path | None, settings: Sequence[str], out: Path | None, command: Sequence[str]
) -> Run:
    """Run the study that a run stored once more, into a new folder; tell where nothing was left to run.

    Ctrl-C is raised again.
    """
    from rich.console import Console
    from rich.text import Text

    from bench.cli.progress import Display
    from bench.runner.reproduce import reproduce as run_stored_study

    made = 0
    with Display() as display:

        def tell(event: Event) -> None:
            nonlocal made
            made += event.kind in ("start", "done", "round")
            display(event)

        repeated = run_stored_study(original, data=data, settings=settings, out=out, on_event=tell, command=command)
    if not made:
        text = f"{repeated.path} is finished: nothing was run now. To run it once more, give a new folder with --out."
        Console(highlight=False).print(Text(text), soft_wrap=True)
    return repeated
