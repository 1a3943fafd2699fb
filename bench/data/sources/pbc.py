"""The Barcelona set of normal peripheral blood cells (PBC), labeled with 8 or 13 classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bench.data.sources.base import Sample, Source, SourceKind, path_of
from bench.data.sources.folder import open_folder
from bench.data.sources.zip_archive import open_zip
from bench.errors import DataError
from bench.results.dataset import DataCard
from bench.results.notice import Notice

if TYPE_CHECKING:
    from bench.study.dataset import DatasetSpec

__all__ = ["FOLDERS", "PBC", "PBC_CITATION", "PBC_LICENSE", "PREFIXES", "open_pbc"]

FOLDERS = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
"""The 8 classes, as the archive's folders are named."""

PREFIXES = ("BA", "EO", "ERB", "IG", "MMY", "MY", "PMY", "LY", "MO", "BNE", "SNE", "NEUTROPHIL", "PLATELET")
"""The 13 classes, as the file names begin: ``BNE_191112.jpg`` is a band neutrophil."""

PBC_CITATION = (
    "Acevedo A., Merino A., Alférez S., Molina Á., Boldú L., Rodellar J. (2020). A dataset of microscopic "
    "peripheral blood cell images for development of automatic recognition systems. Data in Brief 30, 105474. "
    "doi:10.17632/snkd93bnjr.1"
)
PBC_LICENSE = "CC BY 4.0"


def open_pbc(path: Path, classes: int = 8, layout: str | None = None, encoding: str | None = None) -> Source:
    """List the images of the PBC set, or of a part of it, from a folder or a zip.

    Args:
        path: the archive as it was downloaded, or a folder.
        classes: 8 labels from the folders, or 13 from the prefixes of the file names.
        layout: as for any folder.
        encoding: as for any zip.

    Raises:
        DataError: what :func:`open_zip` or :func:`open_folder` raise, or the folders are not those of PBC.
    """
    source = open_folder(path, layout) if path.is_dir() else open_zip(path, layout, encoding)
    strange = sorted({record.label for record in source.records} - set(FOLDERS))
    if strange:
        raise DataError(
            f"{path}: not the PBC set: the folder {strange[0]!r} is none of {', '.join(FOLDERS)}; "
            "for other data use source: folder or zip"
        )
    records = source.records
    if classes == len(PREFIXES):
        records = tuple(dataclasses.replace(record, label=_prefix(record)) for record in records)
    card = DataCard(
        name="PBC: normal peripheral blood cells",
        source="pbc",
        path=str(path),
        license=PBC_LICENSE,
        citation=PBC_CITATION,
        url="https://data.mendeley.com/datasets/snkd93bnjr/1",
        unknown=(*source.card.unknown, Notice.of("patient_unknown")),
        layout=source.card.layout,
    )
    return dataclasses.replace(source, records=records, card=card)


def _prefix(record: Sample) -> str:
    """The label in the file name; empty where it has none, which the audit then reports."""
    prefix = PurePosixPath(record.name).name.partition("_")[0].upper()
    return prefix if prefix in PREFIXES else ""


def _open(spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:  # noqa: ARG001
    path = path_of(spec, "; `patchbench data fetch pbc` prints where to get it")
    return open_pbc(path, spec.classes or len(FOLDERS), spec.layout, spec.zip_encoding)


def _check(spec: DatasetSpec) -> None:
    if spec.classes not in (None, len(FOLDERS), len(PREFIXES)):
        raise ValueError(
            f"classes: the pbc set is labeled with {len(FOLDERS)} classes (from its folders) or {len(PREFIXES)} (from "
            f"the file names), not {spec.classes}"
        )


PBC = SourceKind(
    help="The Barcelona set of normal peripheral blood cells, a zip or folder, with 8 or 13 classes.",
    open=_open,
    check=_check,
    chooses_classes=True,
    takes=("layout", "zip_encoding"),
)
