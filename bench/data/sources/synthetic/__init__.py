"""Synthetic cells: generated one by one when they are read, the same for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.sources.base import Source, SourceKind

if TYPE_CHECKING:
    from bench.study.dataset import DatasetSpec

__all__ = ["SYNTHETIC"]


def _open(spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:  # noqa: ARG001
    from bench.data.sources.synthetic.reader import open_synthetic

    return open_synthetic(spec.count, spec.image_size, spec.classes, spec.difficulty, spec.seed)


def _check(spec: DatasetSpec) -> None:
    if spec.path is not None:
        raise ValueError(
            "path: synthetic images are generated, not read; leave path out, or name the source of the path "
            "(folder, zip, pbc, medmnist or csv)"
        )
    if spec.classes is not None:
        from bench.data.sources.synthetic.traits import KINDS

        if spec.classes > len(KINDS):
            raise ValueError(f"classes: there are {len(KINDS)} synthetic kinds, not {spec.classes}")


SYNTHETIC = SourceKind(
    help="Drawings of blood cells, made when they are read: for trying things out.",
    open=_open,
    check=_check,
    chooses_classes=True,
    dropped_by_data=("source", "count", "difficulty", "classes"),
)
