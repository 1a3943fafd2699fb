"""A study whose data has been read, split and described, and its cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.data.pixels.thumbnails import make_thumbnails
from bench.data.prepare import pixels, prepare
from bench.measure.system.environment import environment
from bench.results.dataset import DatasetManifest
from bench.results.files import write_atomic
from bench.results.plan import FoundBatchSize, Plan, PlannedCell
from bench.results.run import Run
from bench.runner.events import BatchSizeFound, DataProgress, OnEvent, data_progress, ignore_event
from bench.stats.metrics import METRICS
from bench.study.schema import Cell, Study, is_file
from bench.training.optim.batch_size import find_batch_size
from bench.training.optim.single_image import refuse_single_images
from models_zoo import get_spec, weights_hash

__all__ = [
    "DESCRIPTION",
    "Prepared",
    "check_batches",
    "describe_run",
    "in_turns",
    "pixel_arrays",
    "prepare_study",
    "weights_of",
    "with_batch_size",
    "with_found_batch_size",
]

DESCRIPTION = ("study.yaml", "dataset.json", "environment.json", "plan.json")
"""Files of a run folder that `describe_run` writes and that a run needs."""


@dataclass(frozen=True)
class Prepared:
    """A study whose data has been read, and its cells."""

    study: Study
    manifest: DatasetManifest
    cells: tuple[Cell, ...]


def prepare_study(
    study: Study, *, cache: Path | None = None, keep: bool = True, on_event: OnEvent | None = None
) -> Prepared:
    """Read the data set, check it, split it, and lay out the cells. Raises `BenchError`.

    cache: the cache's folder, the user's by default. keep: whether it is filled on the way.
    """
    METRICS.load_all()  # what a package breaks would else end every cell, and only once it has been trained
    progress = data_progress(on_event or ignore_event)
    manifest = prepare(study.dataset, study.split, cache_dir=cache, keep=keep, progress=progress)
    files = {entry.weights for entry in study.models if is_file(entry.weights)}
    hashes = {path: weights_hash(Path(path)) for path in files if path is not None}
    cells = study.cells(manifest.fingerprint, manifest.split_hash, hashes)
    return Prepared(study, manifest, tuple(cells))


def in_turns(prepared: Prepared) -> list[Cell]:
    """The order in which cells run: all models with the first seed, then all with the second, and so on.

    A machine that grows warm or busy over the hours then slows all models alike, and not the last of them. For the same
    reason the inference of all models is measured in rounds (`bench.runner.repeats`).
    """
    seeds = prepared.study.seeds
    return sorted(prepared.cells, key=lambda cell: seeds.index(cell.seed))


def with_batch_size(prepared: Prepared, run: Run, on_event: OnEvent) -> tuple[Prepared, FoundBatchSize | None]:
    """Replace ``batch_size: auto`` by what the run found before, or else by what fits here now.

    An interrupted study so is resumed with the same batch, whatever memory is free by then. Returns the record of it
    too, None where the study gives a number.
    """
    study, manifest = prepared.study, prepared.manifest
    if study.train.batch_size != "auto":
        check_batches(prepared)
        return prepared, None
    known = run.batch_size
    found = known
    if found is None:
        on_event(DataProgress("batch size", 0, 1))
        searched = find_batch_size(
            [(cell, weights_of(study, cell)) for cell in prepared.cells],
            classes=len(manifest.classes),
            train_images=manifest.splits.count("train"),
            memory_limit=study.budget.memory_limit,
        )
        found = FoundBatchSize(batch_size=searched.batch_size, largest=searched.largest)
    on_event(BatchSizeFound(found.batch_size, found.largest, known=known is not None))
    prepared = with_found_batch_size(prepared, found)
    check_batches(prepared)
    return prepared, found


def check_batches(prepared: Prepared) -> None:
    """Raise `StudyError` where the batches leave a model single images from which it cannot learn."""
    manifest = prepared.manifest
    refuse_single_images(prepared.cells, images=manifest.splits.count("train"), classes=len(manifest.classes))


def with_found_batch_size(prepared: Prepared, found: FoundBatchSize) -> Prepared:
    """The study and its cells with this batch."""
    train = prepared.study.train.model_copy(update={"batch_size": found.batch_size})
    cells = tuple(cell.model_copy(update={"train": train}) for cell in prepared.cells)
    return Prepared(prepared.study.model_copy(update={"train": train}), prepared.manifest, cells)


def pixel_arrays(prepared: Prepared, cells: Iterable[Cell], cache: Path | None, on_event: OnEvent) -> dict[int, Path]:
    """The pixel cache's file for each image size that these cells need; it is built where it is missing."""
    dataset, manifest = prepared.study.dataset, prepared.manifest
    sizes = sorted({size_of(cell, prepared.study) for cell in cells})
    progress = data_progress(on_event)
    return {size: pixels(manifest, dataset, size, cache_dir=cache, progress=progress) for size in sizes}


def size_of(cell: Cell, study: Study) -> int:
    """Side of a cell's images in pixels."""
    return cell.model.image_size or study.dataset.image_size


def describe_run(run: Run, prepared: Prepared, command: Sequence[str], cache: Path | None) -> None:
    """Write what the run is: data set, surroundings, plan, small copies of the test images, and the study.

    The study comes last: a folder that holds it holds the rest too.
    """
    write_atomic(run.path / "dataset.json", prepared.manifest.to_json())
    write_atomic(run.path / "environment.json", environment(list(command)).model_dump_json(indent=1))
    plan = Plan(cells=tuple(_planned(cell) for cell in prepared.cells))
    write_atomic(run.path / "plan.json", plan.model_dump_json(indent=1))
    thumbnails = run.path / "thumbnails.parquet"
    if not thumbnails.is_file():
        make_thumbnails(prepared.manifest, prepared.study.dataset, thumbnails, cache_dir=cache)
    study = prepared.study.model_dump(mode="json")
    write_atomic(run.path / "study.yaml", yaml.safe_dump(study, sort_keys=False, allow_unicode=True))


def _planned(cell: Cell) -> PlannedCell:
    return PlannedCell(
        id=cell.id,
        label=cell.label,
        model=cell.model.name,
        family=get_spec(cell.model.name).family,
        regime=cell.regime,
        device=cell.device,
        precision=cell.precision,
        seed=cell.seed,
    )


def weights_of(study: Study, cell: Cell) -> str:
    """The cell knows a file by its hash; the job needs its path."""
    entry = next(e for e in study.models if e.shown == cell.label)
    return "none" if cell.regime == "scratch" else (entry.weights or "default")
