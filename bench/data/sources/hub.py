"""Hugging Face and torchvision data sets by name: exported once into a zip in the cache, then read as a zip.

The export runs in a process of its own, since it imports libraries that this one must not (torch among them).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.cache_dir import fetched_folder
from bench.data.sources.base import Source, SourceKind
from bench.data.sources.zip_archive import open_zip
from bench.errors import BenchError, DataError, DependencyError
from bench.isolated import call_isolated
from bench.results.dataset import DataCard
from bench.results.files import atomic_path
from bench.results.notice import Notice, verbatim

if TYPE_CHECKING:
    from bench.study.dataset import DatasetSpec

__all__ = ["HUGGINGFACE", "TORCHVISION", "open_hub"]


def open_hub(kind: str, name: str, cache_dir: Path | None) -> Source:
    """List the images of the Hugging Face or torchvision data set called ``name``.

    Raises:
        DataError: there is no such set, it cannot be downloaded, or it is no set of labeled images.
        DependencyError: the library that brings it is not installed.
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name)
    key = name if kind == "torchvision" else f"{name}\0without those that have no label"
    file = f"{kind}-{plain}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.zip"
    path = fetched_folder("hub", file, cache_dir) / file
    if not path.exists():
        _export(kind, name, path)
    source = open_zip(path, "{split}/{class}/*")  # as the export writes it, whatever the classes are called
    with zipfile.ZipFile(path) as archive:
        left_out = map(_left_out, archive.comment.decode("utf-8").splitlines())
    url = f"https://huggingface.co/datasets/{name}" if kind == "huggingface" else None
    return dataclasses.replace(
        source,
        card=DataCard(
            name=name,
            source=kind,
            path=str(path),
            url=url,
            unknown=(Notice.of("hub_license"), *left_out),
        ),
    )


def _left_out(line: str) -> Notice:
    """What the export wrote about images without a label; a sentence where an older version made the zip."""
    if not line.startswith("{"):
        return verbatim(line)
    facts = json.loads(line)
    if facts["left_out"] == facts["images"]:
        return Notice.of("split_without_labels", count=facts["images"], split=facts["split"])
    return Notice.of("images_without_labels", count=facts["left_out"], images=facts["images"], split=facts["split"])


def _export(kind: str, name: str, path: Path) -> None:
    try:
        with atomic_path(path) as part:
            raw = path.parent / "raw"
            call_isolated("bench.data.sources.hub_export:export", kind, name, str(part), str(raw))
    except DependencyError:
        raise
    except BenchError as error:
        raise DataError(f"{kind} data set {name!r}: {error}") from error
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be written: {error.strerror or error}; set PATCHBENCH_CACHE") from error


def _open(kind: str, spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:  # noqa: ARG001
    return open_hub(kind, spec.name or "", cache_dir)


def _check(spec: DatasetSpec) -> None:
    if spec.name is None:
        raise ValueError(f"name: a {spec.kind} data set is found by its name; add name: to the data set")


HUGGINGFACE = SourceKind(
    help="A Hugging Face data set by name, downloaded once.", open=partial(_open, "huggingface"), check=_check
)
TORCHVISION = SourceKind(
    help="A torchvision data set by name, downloaded once.", open=partial(_open, "torchvision"), check=_check
)
