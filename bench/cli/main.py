"""The command line: the only place that ties bench, models_zoo and reports together.

A file a command. Each imports what it needs when it is called, so that ``patchbench --help`` is instant and torch is
never imported here.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from bench.cli.data import data_app
from bench.cli.doctor import doctor
from bench.cli.interrupts import report_interrupt, resumes
from bench.cli.list import list_kind
from bench.cli.models import models
from bench.cli.report import compare, export, report
from bench.cli.run import reproduce, run
from bench.cli.schema import schema
from bench.cli.streams import open_streams
from bench.disk import is_disk_error
from bench.errors import BenchError, RunError
from bench.measure.system.process_env import SAFE_PATH
from bench.signals import raise_interrupts, release_interrupts
from bench.terminal import printable

__all__ = ["app", "main"]


_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Wrong usage: click's class or typer's own, by typer's version."""


@contextmanager
def _escaped() -> Iterator[None]:
    """Escape what wrong usage quotes of the command line."""
    try:
        yield
    except _UsageError as error:
        error.message = printable(str(getattr(error, "message", error)), lines=False)  # type: ignore[attr-defined]
        raise


class _Commands(TyperGroup):
    """The commands; a signal ends each as Ctrl-C does: one message, and exit code 128 + the signal's number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _escaped():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _escaped():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:  # not left to typer, which knows Ctrl-C alone and says nothing
            raise typer.Exit(report_interrupt(stop)) from None


app = typer.Typer(
    name="patchbench",
    cls=_Commands,
    help="Which image classifier, on which hardware, at what cost, and how sure can we be?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
for command in (run, report, compare, reproduce, export, models, doctor, schema):
    app.command()(command)
app.command("list")(list_kind)


def main() -> None:
    """Run the command line; a foreseen error is one message on standard error and exit code 2."""
    os.environ.update(SAFE_PATH)  # also for the helpers that libraries start
    raise_interrupts()
    with open_streams() as output:
        code = _run()
        sys.stdout.flush()
    # what a run is for lies in its folder, what other commands are for is what they print
    sys.exit(2 if code == 0 and output.failed and not resumes() else code)


def _run() -> int:
    """Run the command and return its exit code."""
    try:
        if sys.argv[1:2] != ["data"]:  # an audit escapes the names of files, whatever they are
            _refuse_undecodable(sys.argv[1:])
        app()
    except SystemExit as end:
        if (stop := _behind(end)) is not None:
            return report_interrupt(stop)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt as stop:
        return report_interrupt(stop)
    except BenchError as error:
        message = printable(str(error)).replace("\n", "\n  ")  # no name in it can fake a line of ours
        print(f"patchbench: {message}", file=sys.stderr)
        return 2
    except OSError as error:
        place = printable(str(error.filename or ""), lines=False)
        if error.errno == errno.ENAMETOOLONG:
            told = f"{place[:200]}: the name is too long for this file system. Check the path."
        elif is_disk_error(error):
            told = f"cannot write{place and f' {place}'}: {error.strerror or error}. Make room, then try again."
        else:
            raise
        print(f"patchbench: {told}", file=sys.stderr)
        return 2
    finally:
        release_interrupts()
    return 0


def _behind(end: SystemExit) -> KeyboardInterrupt | None:
    """The interrupt that typer has turned into an exit: it does so outside of a command, while it reads the options."""
    error: BaseException | None = end
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return error


def _refuse_undecodable(words: list[str]) -> None:
    """Refuse names that are not text: what a run stores and a report shows of them is."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise RunError(
                f"'{printable(word, lines=False)}' is not valid UTF-8, and a run stores its names as text. Rename "
                f"the file or folder, or give a link to it with another name."
            ) from error


if __name__ == "__main__":
    main()
