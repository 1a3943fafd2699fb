"""A study whose data has been read, split and described, and its cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.data.pixels.thumbnails import make_thumbnails
from bench.data.prepare import pixels, prepare
from bench.errors import StudyError
from bench.measure.system.environment import environment
from bench.results.dataset import DatasetManifest
from bench.results.files import write_atomic
from bench.results.run import Run
from bench.results.writer import FOUND_BATCH
from bench.runner.events import Event, OnEvent, data_progress, ignore_event
from bench.study.schema import Cell, Study, is_file
from bench.training.optim.batch_size import find_batch_size
from models_zoo import get_spec, weights_hash

__all__ = ["Prepared", "prepare_study"]


@dataclass(frozen=True)
class Prepared:
    """A study whose data has been read, and its cells."""

    study: Study
    manifest: DatasetManifest
    cells: tuple[Cell, ...]


def prepare_study(study: Study, *, cache: Path | None = None, on_event: OnEvent | None = None) -> Prepared:
    """Read the data set, check it, split it, and lay out the cells. Raises `BenchError`."""
    tell = on_event or ignore_event
    manifest = prepare(study.dataset, study.split, cache_dir=cache, progress=data_progress(tell))
    files = {entry.weights for entry in study.models if is_file(entry.weights)}
    hashes = {path: weights_hash(Path(path)) for path in files if path is not None}
    cells = study.cells(manifest.fingerprint, manifest.split_hash, hashes)
    return Prepared(study, manifest, tuple(cells))


def with_batch_size(prepared: Prepared, folder: Path, tell: OnEvent) -> tuple[Prepared, dict[str, Any] | None]:
    """Replace ``batch_size: auto`` by what the run in this folder found before, or else by what fits here now.

    An interrupted study so goes on with the same batch, whatever memory is free by then. Returns the record of it too,
    None where the study gives a number.
    """
    study, manifest = prepared.study, prepared.manifest
    if study.train.batch_size != "auto":
        return prepared, None
    record = _found_before(folder / FOUND_BATCH)
    known = record is not None
    if record is None:
        tell(Event("data", facts={"what": "batch size", "done": 0, "count": 1}))
        found = find_batch_size(
            [(cell, weights_of(study, cell)) for cell in prepared.cells],
            classes=len(manifest.classes),
            train_images=manifest.splits.count("train"),
            memory_limit=study.budget.memory_limit,
        )
        record = {"batch_size": found.batch_size, "largest": found.largest}
    tell(Event("batch", facts={**record, "known": known}))
    train = study.train.model_copy(update={"batch_size": record["batch_size"]})
    cells = tuple(cell.model_copy(update={"train": train}) for cell in prepared.cells)
    return Prepared(study.model_copy(update={"train": train}), manifest, cells), record


def _found_before(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {"batch_size": int(record["batch_size"]), "largest": dict(record["largest"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path} cannot be read ({error}). Give the number in the study.yaml beside it as train.batch_size."
        ) from error


def pixel_arrays(prepared: Prepared, cache: Path | None, tell: OnEvent) -> dict[int, Path]:
    """The pixel cache's file for each image size that the cells need."""
    sizes = sorted({prepared.study.size_of(entry) for entry in prepared.study.models})
    dataset, manifest = prepared.study.dataset, prepared.manifest
    return {size: pixels(manifest, dataset, size, cache_dir=cache, progress=data_progress(tell)) for size in sizes}


def describe_run(run: Run, prepared: Prepared, command: Sequence[str], cache: Path | None) -> None:
    """Write what the run is: data set, surroundings, plan, small pictures of the test images, and the study.

    The study comes last: a folder that holds it holds the rest too.
    """
    write_atomic(run.path / "dataset.json", prepared.manifest.to_json())
    surroundings = environment(list(command))
    write_atomic(run.path / "environment.json", json.dumps(surroundings, indent=1, ensure_ascii=False))
    plan = [
        {
            "id": cell.id,
            "label": cell.label,
            "model": cell.model.name,
            "family": get_spec(cell.model.name).family,
            **{key: getattr(cell, key) for key in ("regime", "device", "precision", "seed")},
        }
        for cell in prepared.cells
    ]
    write_atomic(run.path / "plan.json", json.dumps({"cells": plan}, indent=1, ensure_ascii=False))
    pictures = run.path / "thumbnails.parquet"
    if not pictures.is_file():
        make_thumbnails(prepared.manifest, prepared.study.dataset, pictures, cache_dir=cache)
    study = prepared.study.model_dump(mode="json")
    write_atomic(run.path / "study.yaml", yaml.safe_dump(study, sort_keys=False, allow_unicode=True))


def weights_of(study: Study, cell: Cell) -> str:
    """The cell knows a file by its hash; the job needs its path."""
    entry = next(e for e in study.models if e.shown == cell.label)
    return "none" if cell.regime == "scratch" else (entry.weights or "default")
