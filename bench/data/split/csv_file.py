"""Split files: a CSV with the columns ``name`` and ``split``, to be written here and read by others, or back."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from bench.data.sources.base import check_path
from bench.data.sources.folder_names import split_named
from bench.data.sources.table_text import read_table_text, wrong_separator
from bench.errors import DataError, RunError
from bench.results.dataset import DatasetManifest, Split
from bench.results.files import write_atomic

__all__ = ["read_split", "write_split"]


def write_split(manifest: DatasetManifest, path: Path) -> None:
    """Write the split as a CSV with the columns name, label and split, a line for every image in use.

    Raises:
        RunError: the file cannot be written.
    """
    if not path.parent.is_dir():
        raise RunError(f"{path} cannot be written: there is no folder {path.parent}; make it, or name another.")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "label", "split"])
    for name, label, own in zip(manifest.names, manifest.labels, manifest.splits, strict=True):
        writer.writerow([name, manifest.classes[label], own])
    write_atomic(path, text.getvalue())


def read_split(path: Path) -> dict[str, Split]:
    """Read a CSV with the columns ``name`` and ``split`` (others are ignored).

    Raises:
        DataError: it is not there, is no such CSV, names an unknown split, or an image twice.
    """
    check_path(path.expanduser())
    text = read_table_text(path.expanduser(), "split file", "there is no such split file; check split.file")
    splits: dict[str, Split] = {}
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = list(rows.fieldnames or ())
        if not {"name", "split"} <= set(columns):
            raise DataError(
                f"{path}: a split file has the columns name and split; this one has {columns[:12]}."
                f"{wrong_separator(columns)}"
            )
        for row in rows:
            name, word = row["name"] or "", row["split"] or ""
            own = split_named(word)
            if own is None:
                raise DataError(f"{path}, line {rows.line_num}: {word!r} is none of train, validation and test")
            if name in splits:
                raise DataError(f"{path}, line {rows.line_num}: the image {name!r} is there twice")
            splits[name] = own
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: not a readable CSV: {error}") from error
    return splits
