"""``patchbench report``, ``compare`` and ``export``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reports.text.i18n import LANGUAGES, translator

__all__ = ["Language", "compare", "export", "print_outcomes", "report"]


class Format(StrEnum):
    """File formats of the export."""

    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"
    LATEX = "latex"
    FIGURES = "figures"
    MODEL_CARDS = "model-cards"
    CROISSANT = "croissant"
    MLFLOW = "mlflow"


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

    typer.echo(f"report: {render_report([load_results(path) for path in runs], out, lang=lang).resolve()}")


def compare(
    before: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run before.")],
    after: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run after, on the same data and split.")],
    out: Annotated[Path | None, typer.Option(help="Write the comparison as an HTML page too.")] = None,
    lang: Language = "en",
    fail_on_regression: Annotated[
        bool,
        typer.Option(
            "--fail-on-regression",
            help="Exit with 1 when something became worse beyond noise. A cell that one run lacks is told, not judged.",
        ),
    ] = False,
) -> None:
    """Tell what became better or worse from one run to another, beyond noise."""
    from reports import compare_runs
    from reports.comparison.page import lines

    compared = compare_runs(before, after, out, lang=lang)
    print_outcomes(lines(compared, translator(lang)))
    if out is not None:
        typer.echo(f"page: {out.resolve()}")
    raise typer.Exit(1 if fail_on_regression and compared.regressions else 0)


def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="csv, json, markdown or latex: a row a cell. figures: SVG, PDF and PNG for papers. model-cards: for "
            "each kept model. croissant: metadata of the data set. mlflow: a run of an experiment for each cell.",
        ),
    ] = Format.CSV,
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
    from reports.exports import FORMATS, export_text

    opened = load_results(run_folder)
    if format_.value not in FORMATS:
        from reports.exports import deliver

        typer.echo(deliver(opened, format_.value, out))
    elif out is None:
        sys.stdout.write(export_text(opened, format_.value))
    else:
        from bench.results.files import write_atomic

        write_atomic(Path(out), export_text(opened, format_.value))


_STYLES = {"title": "bold", "better": "green", "worse": "bold red", "unknown": "dim"}


def print_outcomes(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each with its kind: title, better, worse, same or unknown."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for kind, text in lines:
        console.print(Text(text, style=_STYLES.get(kind, "")), soft_wrap=True)
