"""The command line: the only place that ties bench, models_zoo and reports together.

Each command imports what it needs when it is called, so that ``patchbench --help`` is instant and torch is never
imported here.
"""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import BenchError, StudyError

if TYPE_CHECKING:
    from bench.results.run import Run

__all__ = ["app", "main"]

app = typer.Typer(
    name="patchbench",
    help="Which image classifier, on which hardware, at what cost, and how sure can we be?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


data_app = typer.Typer(help="Look at a data set before anything is trained on it.", no_args_is_help=True)
app.add_typer(data_app, name="data")


class Retry(StrEnum):
    """What to do with cells that ended otherwise than ok."""

    FAILED = "failed"
    NONE = "none"


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


class Language(StrEnum):
    """Languages of the report."""

    EN = "en"
    ES = "es"


class Executor(StrEnum):
    """Where cells run."""

    LOCAL = "local"


@app.command()
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
    from bench.cli.run import dry_run as list_cells
    from bench.cli.run import run as run_cells

    devices = [name.strip() for name in device.split(",") if name.strip()] if device is not None else []
    if device is not None and not devices:
        raise StudyError("--device names no device. Write for example --device cpu or --device cpu,cuda.")
    asked: dict[str, Any] = {"data": data, "devices": devices, "settings": set_ or []}
    if dry_run:
        list_cells(study, **asked)
        return
    command = ["patchbench", *sys.argv[1:]]
    try:
        finished = run_cells(study, **asked, out=out, retry=retry.value, keep_cache=cache, command=command)
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


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="One or more run folders.")],
    out: Annotated[Path | None, typer.Option(help="The HTML file; RUN/report.html by default.")] = None,
    lang: Annotated[Language, typer.Option(help="The language of the page.")] = Language.EN,
) -> None:
    """Render the report of one or more runs as one HTML file."""
    from bench.results.run import load_results
    from reports import render_report

    typer.echo(f"report: {render_report([load_results(path) for path in runs], out, lang=lang.value).resolve()}")


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run before.")],
    after: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run after, on the same data and split.")],
    out: Annotated[Path | None, typer.Option(help="Write the comparison as an HTML page too.")] = None,
    lang: Annotated[Language, typer.Option(help="The language.")] = Language.EN,
    fail_on_regression: Annotated[
        bool,
        typer.Option(
            "--fail-on-regression",
            help="Exit with 1 when something became worse beyond noise. A cell that one run lacks is told, not judged.",
        ),
    ] = False,
) -> None:
    """Tell what became better or worse from one run to another, beyond noise."""
    from bench.cli.run import print_outcomes
    from reports import compare_runs
    from reports.comparison.page import lines
    from reports.text.i18n import translator

    compared = compare_runs(before, after, out, lang=lang.value)
    print_outcomes(lines(compared, translator(lang.value)))
    if out is not None:
        typer.echo(f"page: {out.resolve()}")
    raise typer.Exit(1 if fail_on_regression and compared.regressions else 0)


@app.command()
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
    lang: Annotated[Language, typer.Option(help="The language of what is said of the scores.")] = Language.EN,
) -> None:
    """Run a stored study again and tell whether the scores agree; exit code 1 where they do not."""
    from bench.cli.run import again, print_outcomes
    from reports.comparison.reproducibility import agreement
    from reports.text.i18n import translator

    command = ["patchbench", *sys.argv[1:]]
    try:
        repeated = again(run_folder, data=data, settings=settings or (), out=out, command=command)
    except KeyboardInterrupt:
        typer.echo(f"patchbench: interrupted; to go on: {shlex.join(command)}", err=True)
        raise typer.Exit(130) from None
    _ = translator(lang.value)
    found = agreement(run_folder, repeated, _)
    print_outcomes(found.lines(_))
    raise typer.Exit(0 if found.agrees else 1)


@app.command()
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
    from reports.exports.tables import FORMATS, export_text

    opened = load_results(run_folder)
    if format_.value not in FORMATS:
        from reports.exports import deliver

        typer.echo(deliver(opened, format_.value, out))
    elif out is None:
        sys.stdout.write(export_text(opened, format_.value))
    else:
        from bench.results.files import write_atomic

        write_atomic(Path(out), export_text(opened, format_.value))


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="One model, to see its parts and cost.")] = None,
    image_size: Annotated[
        int | None, typer.Option(min=8, max=4096, help="Side of the input in pixels; the model's own by default.")
    ] = None,
    classes: Annotated[int, typer.Option(min=2, max=100_000, help="Width of the head.")] = 1000,
    family: Annotated[str | None, typer.Option(help="List only this family: vit, cnn, hybrid ...")] = None,
    text: Annotated[str | None, typer.Option("--filter", help="List only models with this in name or notes.")] = None,
) -> None:
    """List the models, or tell one's layers, parameters and cost."""
    from bench.cli.models import show_model, show_models

    if name is None:
        show_models(family, text, image_size, classes)
    else:
        show_model(name, image_size, classes)


@app.command()
def doctor() -> None:
    """Tell what this machine is, and what would hinder good measuring on it."""
    from bench.cli.run import doctor as examine

    examine()


_Path = Annotated[Path, typer.Argument(help="A folder of class folders, a zip of one, a CSV or an .npz file.")]
_Source = Annotated[str | None, typer.Option(help="The kind of source, where it is not plain: pbc, folder, csv ...")]
_Classes = Annotated[int | None, typer.Option(help="For pbc: 8 or 13.")]
_PathColumn = Annotated[str | None, typer.Option(help="For a CSV: the column with the paths, where it is not path.")]
_LabelColumn = Annotated[str | None, typer.Option(help="For a CSV: the column with the labels, where it is not label.")]


@data_app.command("audit")
def data_audit(
    path: _Path,
    source: _Source = None,
    classes: _Classes = None,
    path_column: _PathColumn = None,
    label_column: _LabelColumn = None,
    near: Annotated[
        int | None, typer.Option(help="Near duplicates: at most so many of the 64 bits of the hash differ (4).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Tell what is wrong with a data set: unreadable files, duplicates, contradicting labels, what would leak."""
    from bench.cli.data import audit

    audit(
        path,
        source=source,
        classes=classes,
        path_column=path_column,
        label_column=label_column,
        near=near,
        as_json=as_json,
    )


@data_app.command("split")
def data_split(
    path: _Path,
    out: Annotated[Path, typer.Option(help="The CSV to write.")] = Path("split.csv"),
    source: _Source = None,
    classes: _Classes = None,
    path_column: _PathColumn = None,
    label_column: _LabelColumn = None,
    test: Annotated[float, typer.Option(help="Fraction of all images.")] = 0.2,
    validation: Annotated[float, typer.Option(help="Fraction of all images.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the shuffle.")] = 0,
    group: Annotated[str | None, typer.Option(help="A regular expression on the name; a group stays whole.")] = None,
    group_column: Annotated[
        str | None, typer.Option(help="A column of the data set's CSV; a group stays whole.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="k-fold: how many folds.")] = None,
    fold: Annotated[int, typer.Option(help="k-fold: which fold is the test, from 0.")] = 0,
) -> None:
    """Write the split that a study would use as a CSV: name, label, split."""
    from bench.cli.data import split

    split(
        path,
        out,
        source=source,
        classes=classes,
        path_column=path_column,
        label_column=label_column,
        test=test,
        validation=validation,
        seed=seed,
        group=group,
        group_column=group_column,
        folds=folds,
        fold=fold,
    )


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="pbc, bloodmnist, bloodmnist_224, ...")],
    cache: Annotated[Path | None, typer.Option(help="The folder; PATCHBENCH_CACHE or the user's cache.")] = None,
) -> None:
    """Download a data set: hash checked, resumed where it broke off."""
    from bench.cli.data import fetch

    fetch(name, cache)


def main() -> None:
    """Run the command line; a foreseen error is one message on standard error and exit code 2."""
    try:
        app()
    except BenchError as error:
        typer.echo(f"patchbench: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
