"""``patchbench data``: audit a data set, write its split, fetch one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bench.errors import StudyError

if TYPE_CHECKING:
    from bench.cli.progress import Display
    from bench.data.audit.findings import AuditReport
    from bench.study.dataset import DatasetSpec, SplitSpec

__all__ = ["data_app"]

_SHOWN = 20
_Spec = TypeVar("_Spec", "DatasetSpec", "SplitSpec")

data_app = typer.Typer(help="Look at a data set before anything is trained on it.", no_args_is_help=True)

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
    _audit(
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
    _split(
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
    _fetch(name, cache)


def _audit(path: Path, *, near: int | None, as_json: bool, **dataset: str | int | None) -> None:
    """Print what is wrong with a data set; ``dataset`` are further fields of its spec."""
    from rich.console import Console
    from rich.text import Text

    from bench.cli.progress import Display
    from bench.data.audit.findings import audit
    from bench.study.dataset import DatasetSpec
    from bench.study.schema import absolute

    policy = None if near is None else {"near_threshold": near}
    spec = _spec(DatasetSpec, path=absolute(path, Path.cwd()), duplicates=policy, **dataset)
    with Display(Console(stderr=True, highlight=False)) as display:
        report = audit(spec, progress=_progress(display))
    if as_json:
        facts = {"card": report.card.model_dump(mode="json"), "findings": report.findings.model_dump(mode="json")}
        print(json.dumps({**facts, "seconds": round(report.seconds, 3)}, indent=1, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for line in _lines(report):
        console.print(Text(_printable(line)), soft_wrap=True)


def _split(
    path: Path,
    out: Path,
    *,
    test: float,
    validation: float,
    seed: int,
    group: str | None,
    group_column: str | None,
    folds: int | None,
    fold: int,
    **dataset_fields: str | int | None,
) -> None:
    """Write the split of a data set as a CSV that others can use; the fields are further ones of its spec."""
    from rich.console import Console

    from bench.cli.progress import Display
    from bench.data.prepare import prepare
    from bench.data.split.csv_file import write_split
    from bench.study.dataset import DatasetSpec, SplitSpec
    from bench.study.schema import absolute

    dataset = _spec(DatasetSpec, path=absolute(path, Path.cwd()), **dataset_fields)
    grouping = {"group": group, "group_column": group_column}
    asked = _spec(SplitSpec, test=test, validation=validation, seed=seed, folds=folds, fold=fold, **grouping)
    with Display(Console(stderr=True, highlight=False)) as display:
        manifest = prepare(dataset, asked, progress=_progress(display))
    write_split(manifest, out)
    for warning in manifest.warnings:
        print(_printable(f"warning: {warning}"))
    sides = ", ".join(f"{len(manifest.rows(side))} {side}" for side in ("train", "validation", "test"))
    told = f"{len(manifest.names)} images, {sides}; method {manifest.split_method}; hash {manifest.split_hash}"
    print(_printable(f"{out}: {told}"))


def _fetch(name: str, cache: Path | None) -> None:
    """Download a data set into the cache."""
    from rich.console import Console

    from bench.cli.progress import Display
    from bench.data.download import fetch

    with Display(Console(stderr=True, highlight=False)) as display:
        fetched = fetch(name, cache_dir=cache, progress=_progress(display))
    how = "checked against the published hash" if fetched.checked else "no hash is published for it"
    print(f"{_printable(str(fetched.path))}\nsha256 {fetched.sha256} ({how})")


def _spec(kind: type[_Spec], **given: Any) -> _Spec:
    from pydantic import ValidationError

    try:
        return kind.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise StudyError(f"{key + ': ' if key else ''}{message}") from error


def _progress(display: Display) -> Any:
    from bench.runner.events import data_progress

    return data_progress(display)


def _printable(line: str) -> str:
    """Escape what would break the line or command the terminal: names are whatever a file system takes."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in line)


def _lines(report: AuditReport) -> Iterable[str]:
    from bench.results.duration import duration

    found = report.findings
    yield f"{report.card.name}: {found.images:,} files, {found.readable:,} readable, in {duration(report.seconds)}"
    yield from _listed("unreadable", len(found.unreadable), (f"{d.name}: {d.reason}" for d in found.unreadable))
    groups = (group.told(between=" = ") for group in found.exact)
    yield from _listed("exact duplicates (pairs, by pixels)", found.exact_pairs, groups, len(found.exact))
    conflicting = (f"{g.told(between=' = ')}: {g.told('{label}', ' / ')}" for g in found.conflicting)
    yield from _listed("of these with different labels", len(found.conflicting), conflicting)
    near = (f"{p.first} ~ {p.second}: {p.distance} of 64 bits differ" for p in found.near)
    yield from _listed(
        f"near duplicates (pairs, perceptual hash within {found.near_threshold})", found.near_pairs, near
    )
    leaks = (f"{a} | {b}" for a, b in found.would_leak)
    yield from _listed("pairs that a plain random split would put on both sides", found.would_leak_pairs, leaks)
    yield from _listed("odd size or mode", found.odd_images, (f"{d.name}: {d.reason}" for d in found.odd))
    yield from _listed("not taken for images", len(found.ignored), (f"{d.name}: {d.reason}" for d in found.ignored))
    yield "sizes: " + ", ".join(f"{size} ({count:,})" for size, count in found.sizes.items())
    yield "modes: " + ", ".join(f"{mode} ({count:,})" for mode, count in found.modes.items())
    yield "classes: " + ", ".join(f"{name} ({count:,})" for name, count in found.class_counts.items())
    bare = [name for name, count in found.class_counts.items() if count == 0]
    yield from _listed("classes without a readable image (a run refuses them)", len(bare), bare)
    if len(found.class_counts) < 2:
        yield "only one class: a run needs two or more"
    if found.imbalance is not None:
        yield f"imbalance: {found.imbalance:.2f} images of the largest class for one of the smallest"
    for unknown in report.card.unknown:
        yield f"not known: {unknown}"


def _listed(what: str, count: int, lines: Iterable[str], rows: int | None = None) -> Iterable[str]:
    """The heading with its count, then the first lines; ``rows``: how many lines there are, where not one for each."""
    yield f"{what}: {count:,}"
    rows = count if rows is None else rows
    shown = 0
    for line in lines:
        if shown == _SHOWN:
            break
        shown += 1
        yield f"    {line}"
    if rows > shown > 0:
        yield f"    and {rows - shown:,} more (--json lists more of them)"
