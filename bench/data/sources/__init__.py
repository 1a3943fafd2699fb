"""Where images come from; :func:`open_source` is the one door to all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.sources.base import Reader, Sample, Source, check_classes, check_path
from bench.errors import DataError
from bench.results.dataset import DataCard, Side

if TYPE_CHECKING:  # the processes that read images do without: building the specifications' checks takes 80 ms
    from bench.study.dataset import DatasetSpec

__all__ = ["DataCard", "Reader", "Sample", "Side", "Source", "open_source"]


def open_source(spec: DatasetSpec, *, cache_dir: Path | None = None, group_column: str | None = None) -> Source:
    """List the images of the data set that ``spec`` describes; none is read yet.

    Args:
        spec: the data set.
        cache_dir: where arrays are unpacked to; downloads that are not there are the user's cache's.
        group_column: the column of a csv data set that becomes each record's group.

    Raises:
        DataError: it is not there, cannot be read, or holds what an honest data set does not.
        DependencyError: it needs an optional package that is not installed.
    """
    source = _open(spec, cache_dir, group_column)
    classes = check_classes((record.label for record in source.records), source.card.path or source.card.name)
    fixed = spec.kind in ("pbc", "synthetic")
    if spec.classes is not None and not fixed and len(classes) != spec.classes:
        raise DataError(
            f"{source.card.path or source.card.name}: dataset.classes says {spec.classes} classes, but there are "
            f"{len(classes)}: {', '.join(map(repr, classes[:12]))}; correct the number or leave it out"
        )
    return source


def _open(spec: DatasetSpec, cache_dir: Path | None, group_column: str | None) -> Source:
    kind = spec.kind
    if spec.path is not None:
        check_path(spec.path.expanduser())
    if kind == "synthetic":
        from bench.data.sources.synthetic import open_synthetic

        return open_synthetic(spec.count, spec.image_size, spec.classes, spec.difficulty, spec.seed)
    if kind == "medmnist":
        from bench.data.sources.medmnist import open_medmnist

        return open_medmnist(spec.path, spec.name, spec.image_size, cache_dir)
    if kind in ("huggingface", "torchvision"):
        from bench.data.sources.hub import open_hub

        return open_hub(kind, spec.name or "", cache_dir)
    if spec.path is None:
        extra = "; `patchbench data fetch pbc` says where to get it" if kind == "pbc" else ""
        raise DataError(f"The data set ({kind}) has no path: give --data PATH, or dataset.path in the study{extra}")
    return _open_path(spec, spec.path.expanduser(), group_column)


def _open_path(spec: DatasetSpec, path: Path, group_column: str | None) -> Source:
    if spec.kind == "csv":
        from bench.data.sources.csv_file import open_csv

        return open_csv(path, spec, group_column)
    if spec.kind == "pbc":
        from bench.data.sources.pbc import open_pbc

        return open_pbc(path, spec.classes or 8)
    if spec.kind == "zip":
        from bench.data.sources.zip_archive import open_zip

        return open_zip(path)
    from bench.data.sources.folder import open_folder

    return open_folder(path)
