"""MedMNIST: arrays in an .npz file, with an official split into train, validation and test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.sources.base import Source, SourceKind

if TYPE_CHECKING:
    from bench.study.dataset import DatasetSpec

__all__ = ["MEDMNIST_KIND"]


def _open(spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:  # noqa: ARG001
    from bench.data.sources.medmnist_arrays import open_medmnist

    return open_medmnist(spec.path, spec.name, spec.image_size, cache_dir)


MEDMNIST_KIND = SourceKind(
    help="A MedMNIST set: its .npz file, or by name once it is fetched.", open=_open, suffixes=(".npz",)
)
