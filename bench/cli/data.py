"""``patchbench data``: audit a data set, write its split, fetch one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.dataset_options import Fields, Settings, build_spec, takes_dataset, with_settings
from bench.cli.layout_lines import data_line
from bench.cli.output import line
from bench.terminal import printable

__all__ = ["data_app"]

data_app = typer.Typer(help="Inspect a data set before anything is trained on it.", no_args_is_help=True)


@data_app.command("audit")
@takes_dataset
def audit(
    dataset: Fields,
    near: Annotated[
        int | None, typer.Option(help="Near duplicates: at most so many of the 64 bits of the hash differ (4).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    set_: Settings = None,
) -> None:
    """Report what is wrong with a data set: unreadable files, duplicates, contradicting labels, what would leak."""
    from rich.console import Console

    from bench.cli.audit_lines import audit_lines
    from bench.cli.progress import Display
    from bench.data.audit import findings
    from bench.runner.events import data_progress
    from bench.study.dataset import DatasetSpec
    from reports.text.formatting import escaped

    policy = None if near is None else {"near_threshold": near}
    wanted = with_settings(set_, dataset={**dataset, "duplicates": policy})
    spec = build_spec(DatasetSpec, **wanted["dataset"])
    with Display(Console(stderr=True, highlight=False)) as display:
        report = findings.audit(spec, progress=data_progress(display))
    if as_json:
        facts = {"card": report.card.model_dump(mode="json"), "findings": report.findings.model_dump(mode="json")}
        facts["by_split"] = {split or "none": dict(counts) for split, counts in report.by_split.items()}
        text = json.dumps({**facts, "seconds": round(report.seconds, 3)}, indent=1, ensure_ascii=False)
        print(escaped(text))
        return
    console = Console(highlight=False)
    for text in audit_lines(report):
        console.print(line(text), soft_wrap=True)


@data_app.command("split")
@takes_dataset
def split(
    dataset: Fields,
    out: Annotated[Path, typer.Option(help="The CSV to write.")] = Path("split.csv"),
    test: Annotated[float, typer.Option(help="Fraction of all images.")] = 0.2,
    validation: Annotated[float, typer.Option(help="Fraction of all images.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the shuffle.")] = 0,
    group: Annotated[str | None, typer.Option(help="A regular expression on the name; a group stays whole.")] = None,
    group_column: Annotated[
        str | None, typer.Option(help="A column of the data set's CSV; a group stays whole.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="k-fold: how many folds.")] = None,
    fold: Annotated[int, typer.Option(help="k-fold: which fold is the test, from 0.")] = 0,
    method: Annotated[
        str | None, typer.Option(help="stratified, grouped, kfold or official; chosen by what there is.")
    ] = None,
    set_: Settings = None,
) -> None:
    """Write the split that a study would use as a CSV: name, label, split."""
    from rich.console import Console

    from bench.cli.progress import Display
    from bench.data.prepare import prepare
    from bench.data.split.csv_file import write_split
    from bench.runner.events import data_progress
    from bench.study.dataset import DatasetSpec, SplitSpec
    from reports.text.messages import word

    shares = {"test": test, "validation": validation, "seed": seed, "folds": folds, "fold": fold, "method": method}
    given = with_settings(set_, dataset=dataset, split={**shares, "group": group, "group_column": group_column})
    spec, wanted = build_spec(DatasetSpec, **given["dataset"]), build_spec(SplitSpec, **given["split"])
    with Display(Console(stderr=True, highlight=False)) as display:
        manifest = prepare(spec, wanted, progress=data_progress(display))
    write_split(manifest, out)
    print(printable(data_line(manifest), lines=False))
    for warning in manifest.warnings:
        print(printable(f"warning: {word(warning)}", lines=False))
    splits = ", ".join(f"{len(manifest.rows(name))} {name}" for name in ("train", "validation", "test"))
    summary = f"{len(manifest.names)} images, {splits}; method {manifest.split_method}; hash {manifest.split_hash}"
    print(printable(f"{out}: {summary}", lines=False))


@data_app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="pbc, bloodmnist, bloodmnist_224, ...")],
    cache: Annotated[Path | None, typer.Option(help="The folder; PATCHBENCH_CACHE or the user's cache.")] = None,
) -> None:
    """Download a data set: hash checked, resumed where it broke off."""
    from rich.console import Console

    from bench.cli.progress import Display
    from bench.data import download
    from bench.runner.events import data_progress

    with Display(Console(stderr=True, highlight=False)) as display:
        fetched = download.fetch(name, cache_dir=cache, progress=data_progress(display))
    how = "checked against the published hash" if fetched.checked else "no hash is published for it"
    print(f"{printable(str(fetched.path), lines=False)}\nsha256 {fetched.sha256} ({how})")
