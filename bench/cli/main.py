"""The command line: the only place that ties bench, models_zoo and reports together.

A file a command. Each imports what it needs when it is called, so that ``patchbench --help`` is instant and torch is
never imported here.
"""

from __future__ import annotations

import sys

import typer

from bench.cli.data import data_app
from bench.cli.doctor import doctor
from bench.cli.list import list_kind
from bench.cli.models import models
from bench.cli.report import compare, export, report
from bench.cli.run import reproduce, run
from bench.cli.schema import schema
from bench.errors import BenchError
from bench.terminal import printable

__all__ = ["app", "main"]

app = typer.Typer(
    name="patchbench",
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
    try:
        app()
    except BenchError as error:
        message = printable(str(error)).replace("\n", "\n  ")  # no name in it can fake a line of ours
        typer.echo(f"patchbench: {message}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
