"""A CSV that lists images and their labels."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.foreign_formats import by_suffix
from bench.data.sources.base import Sample, Source, SourceKind, path_of
from bench.data.sources.csv_labels import is_missing, same_numbers
from bench.data.sources.csv_paths import PathFinder
from bench.data.sources.folder import FolderReader
from bench.data.sources.folder_names import split_named
from bench.data.sources.stamp import Stamp
from bench.data.sources.table_text import read_table_text, wrong_separator
from bench.errors import DataError, nearest
from bench.results.dataset import DataCard

if TYPE_CHECKING:
    from bench.study.dataset import DatasetSpec

__all__ = ["CSV", "open_csv"]

_LISTED = 5  # faults that a message lists


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    name: str
    label: str
    split: str
    cells: dict[str, str]


def open_csv(path: Path, spec: DatasetSpec, group_column: str | None = None) -> Source:
    """List the images of a CSV with a column of paths (relative to the CSV's folder) and one of labels.

    Args:
        path: the CSV, UTF-8, with a header.
        spec: names the columns, and the labels that are allowed.
        group_column: the column whose value becomes each record's group.

    Raises:
        DataError: the CSV cannot be read, lacks a column, or has lines with no label, with an unknown one, with a
            missing file or a file that was listed before. Every kind of fault comes with its lines.
    """
    lines = list(_read(path, spec, group_column))
    if not lines:
        raise DataError(f"{path}: no images are listed; each line after the header names an image and its label")
    folder = path.resolve().parent
    files = _check(lines, path, folder, spec)
    stamp = Stamp(path.resolve())
    for line in lines:
        stamp.add_file(line.name, (folder / files[line.name]).stat(), line.label)
    records = [
        Sample(
            name=line.name,
            label=line.label,
            split=split_named(line.split) if spec.split_column else None,
            group=(line.cells[group_column] or None) if group_column else None,
        )
        for line in lines
    ]
    records.sort(key=lambda record: record.name)
    return Source(
        records=tuple(records),
        reader=FolderReader(str(folder), files),
        card=DataCard(name=path.stem, source="csv", path=str(path)),
        stamp=stamp.value(),
    )


def _read(path: Path, spec: DatasetSpec, group_column: str | None) -> Iterator[_Line]:
    text = read_table_text(path, "CSV", "there is no such file; check the path given with --data or dataset.path")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = list(rows.fieldnames or ())
        if not columns:
            raise DataError(
                f"{path}: the file is empty; it begins with a line of column names, such as "
                f"{spec.path_column},{spec.label_column}"
            )
        doubled = [column for column in columns if columns.count(column) > 1]
        if doubled:
            raise DataError(f"{path}: has the column {doubled[0]!r} twice; rename or delete one of them")
        for column in (spec.path_column, spec.label_column, spec.split_column, group_column):
            if column is not None and column not in columns:
                hint = wrong_separator(columns) or nearest(column, columns)
                raise DataError(f"{path}: has no column {column!r}, only {', '.join(map(repr, columns))}.{hint}")
        for row in rows:
            cells = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
            if None in row:
                raise DataError(f"{path}, line {rows.line_num}: more values than columns; quote values with commas")
            yield _Line(
                rows.line_num,
                cells[spec.path_column].replace("\\", "/"),
                cells[spec.label_column],
                cells[spec.split_column] if spec.split_column else "",
                cells,
            )
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: not a readable CSV: {error}") from error


def _check(lines: list[_Line], path: Path, folder: Path, spec: DatasetSpec) -> dict[str, str]:
    """Refuse faulty lines; return the file of each name, as it is called in its folder."""
    blank = [f"line {line.number}" for line in lines if not line.name or not line.label]
    _refuse(path, "have no path or no label", blank, "fill them in or delete the lines")
    _check_labels(lines, path, spec)
    if spec.split_column is not None:
        strange = [f"line {line.number} ({line.split!r})" for line in lines if split_named(line.split) is None]
        _refuse(path, "have a split that is none of train, validation and test", strange, "correct them")
    foreign = [(line, found) for line in lines if (found := by_suffix(line.name))]
    _refuse(
        path,
        "name a file of a format that is not read",
        [f"line {line.number} ({line.name})" for line, _ in foreign],
        "; ".join(dict.fromkeys(found.reason for _, found in foreign)),
    )
    finder = PathFinder(folder)
    found_files = {line.name: finder.find(line.name) for line in lines}
    missing = [f"line {line.number} ({line.name})" for line in lines if found_files[line.name] is None]
    _refuse(path, f"name a file that is not there (looked for in {folder})", missing, "correct the paths")
    files = {name: file for name, file in found_files.items() if file is not None}
    first: dict[str, int] = {}
    twice = [
        f"line {line.number} ({line.name}, first in line {first[posixpath.normpath(files[line.name])]})"
        for line in lines
        if first.setdefault(posixpath.normpath(files[line.name]), line.number) != line.number
    ]
    _refuse(path, "name an image that was listed before", twice, "list each image once")
    return files


def _check_labels(lines: list[_Line], path: Path, spec: DatasetSpec) -> None:
    if spec.labels is not None:
        allowed = set(spec.labels)
        strange = [line for line in lines if line.label not in allowed]
        hints = {line.label: nearest(line.label, allowed) for line in strange[:_LISTED]}  # it takes time for each
        unknown = [f"line {line.number} ({line.label!r}){hints.get(line.label, '')}" for line in strange]
        _refuse(path, f"have a label that is none of {', '.join(spec.labels)}", unknown, "correct them")
        return
    none = [f"line {line.number} ({line.label!r})" for line in lines if is_missing(line.label)]
    advice = "fill them in, delete the lines, or name all labels in dataset.labels where this is one of them"
    _refuse(path, "have a label that stands for a missing value", none, advice)
    if alike := same_numbers({line.label for line in lines}):
        raise DataError(
            f"{path}: the labels {' and '.join(map(repr, alike[0]))} are the same number and would be different "
            "classes; write the number in one way, or name all labels in dataset.labels where both are meant"
        )


def _refuse(path: Path, what: str, faults: list[str], advice: str) -> None:
    if faults:
        more = f" and {len(faults) - _LISTED:,} more" if len(faults) > _LISTED else ""
        raise DataError(f"{path}: {len(faults):,} lines {what}: {', '.join(faults[:_LISTED])}{more}; {advice}")


def _open(spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:  # noqa: ARG001
    return open_csv(path_of(spec), spec, group_column)


CSV = SourceKind(help="A CSV that lists images and their labels.", open=_open, suffixes=(".csv",), takes=("labels",))
