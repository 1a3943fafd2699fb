"""Where images come from: `SOURCES` has every kind by name, and :func:`open_source` opens any of them.

To add one, write a module with a `SourceKind` (see :mod:`bench.data.sources.base`) and register it below, or in the
entry-point group ``patchbench.sources`` of a package. Studies then take its name as ``dataset.source``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import DataError
from bench.registry import Registry

if TYPE_CHECKING:  # the processes that read images do without: building the specifications' checks takes 80 ms
    from bench.data.sources.base import Source, SourceKind
    from bench.study.dataset import DatasetSpec

__all__ = ["SOURCES", "open_source"]

SOURCES: Registry[SourceKind] = Registry(
    "source",
    {
        "folder": "bench.data.sources.folder:FOLDER",
        "zip": "bench.data.sources.zip_archive:ZIP",
        "pbc": "bench.data.sources.pbc:PBC",
        "medmnist": "bench.data.sources.medmnist:MEDMNIST_KIND",
        "csv": "bench.data.sources.csv_file:CSV",
        "synthetic": "bench.data.sources.synthetic:SYNTHETIC",
        "huggingface": "bench.data.sources.hub:HUGGINGFACE",
        "torchvision": "bench.data.sources.hub:TORCHVISION",
    },
    group="patchbench.sources",
)


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
    from bench.data.sources.base import check_classes, check_path

    kind = SOURCES.load(spec.kind)
    if spec.path is not None:
        check_path(spec.path.expanduser())
    source = kind.open(spec, cache_dir=cache_dir, group_column=group_column)
    classes = check_classes((record.label for record in source.records), source.card.path or source.card.name)
    if spec.classes is not None and not kind.chooses_classes and len(classes) != spec.classes:
        raise DataError(
            f"{source.card.path or source.card.name}: dataset.classes is {spec.classes}, but there are "
            f"{len(classes)}: {', '.join(map(repr, classes[:12]))}; correct the number or leave it out"
        )
    return source
