"""``patchbench report``, ``compare`` and ``export``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import line, write_text
from bench.terminal import printable
from reports.exports import EXPORTS
from reports.text.i18n import LANGUAGES, translator

__all__ = ["Language", "compare", "export", "print_outcomes", "report"]


def _known(lang: str) -> str:
    translator(lang)  # refused before any work is done
    return lang


Language = Annotated[
    str, typer.Option("--lang", metavar="|".join(LANGUAGES), help="The language of the texts.", callback=_known)
]


def report(
    runs: Annotated[list[Path], typer.Argument(help="One or more run folders.")],
    out: Annotated[Path | None, typer.Option(help="The HTML file; RUN/report.html by default.")] = None,
    lang: Language = "en",
) -> None:
    """Render the report of one or more runs as one HTML file."""
    from bench.results.run import load_results
    from reports import render_report

    written = render_report([load_results(path) for path in runs], out, lang=lang)
    _say(f"report: {written.resolve()}", out)


def compare(
    before: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run before.")],
    after: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run after, on the same data and split.")],
    out: Annotated[Path | None, typer.Option(help="Write the comparison as an HTML page too.")] = None,
    lang: Language = "en",
    fail_on_regression: Annotated[
        bool,
        typer.Option(
            "--fail-on-regression",
            help="Exit with 1 when something became worse beyond noise. A cell that one run lacks is reported but not "
            "counted.",
        ),
    ] = False,
) -> None:
    """Compare two runs: what became better or worse, beyond noise."""
    from reports import compare_runs
    from reports.comparison.page import lines

    compared = compare_runs(before, after, out, lang=lang)
    print_outcomes(lines(compared, translator(lang)))
    if out is not None:
        _say(f"page: {out.resolve()}", out)
    raise typer.Exit(1 if fail_on_regression and compared.regressions else 0)


def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(EXPORTS.entries),
            help="The form; 'patchbench list exports' describes each, with those of installed packages.",
        ),
    ] = "csv",
    out: Annotated[
        str | None,
        typer.Option(
            help="The file, the terminal by default; for figures and model cards the folder, in the run by default; "
            "for mlflow its tracking URI."
        ),
    ] = None,
) -> None:
    """Write a run's results in the form that others need."""
    from bench.results.run import load_results

    form = EXPORTS.load(format_)
    opened = load_results(run_folder)
    if out is None and form.text is not None:
        write_text(form.text(opened))
    else:
        written = form.write(opened, out)
        _say(written.summary, written.path)


def _say(text: str, out: Path | None) -> None:
    """Tell where something was written; on the standard error where it went to the standard output itself."""
    from bench.results.output import is_stdout

    typer.echo(printable(text, lines=False), err=is_stdout(out))


_STYLES = {"title": "bold", "better": "green", "worse": "bold red", "unknown": "dim"}


def print_outcomes(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each with its kind: title, better, worse, same or unknown."""
    from rich.console import Console

    console = Console(highlight=False)
    for kind, text in lines:
        console.print(line(text, _STYLES.get(kind, "")), soft_wrap=True)
