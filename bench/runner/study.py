"""Run a study: prepare its data once, open its run folder, and go through the cells that are not done yet."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from bench.data.pixels.thumbnails import write_thumbnails
from bench.data.prepare import pixels, prepare
from bench.errors import StudyError
from bench.execution.local import run_cell
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import BROKEN
from bench.measure.system.environment import environment
from bench.results.dataset import DatasetManifest
from bench.results.files import write_atomic
from bench.results.run import CellResult, Failure, Run, Status, write_predictions
from bench.results.writer import FOUND_BATCH, claim, open_folder
from bench.runner.repeats import further_rounds
from bench.study.load import load_study
from bench.study.schema import Cell, Study, is_file
from bench.training.optim.batch_size import find_batch_size
from models_zoo import get_spec, weights_hash

__all__ = ["Event", "OnEvent", "Prepared", "prepare_study", "run_study"]

Retry = Literal["failed", "none"]


@dataclass(frozen=True)
class Event:
    """Something that a user may want to see while a study runs."""

    kind: Literal["data", "batch", "plan", "start", "tick", "done", "skip", "round"]
    cell: Cell | None = None
    result: CellResult | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """data: what, done, count. batch: batch_size, largest (by cell), known (found by an earlier call). plan: cells,
    pending, run, warnings. tick: phase, epoch, epochs, loss ... round: number, of (a further round of the profile)."""


OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class Prepared:
    """A study whose data has been read, and its cells."""

    study: Study
    manifest: DatasetManifest
    cells: tuple[Cell, ...]


def run_study(
    study: Study | str | Path,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    devices: Sequence[str] = (),
    settings: Sequence[str] = (),
    retry: Retry = "none",
    cache: Path | None = None,
    on_event: OnEvent | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Run all cells of a study that have no result yet, one at a time, each in a process of its own.

    study: a `Study`, a shipped name or a YAML file; data, devices, settings: see `load_study`. out: the run folder,
    ``runs/NAME`` by default; a run that is there already is gone on with. retry: ``failed`` runs again what is not ok;
    what was interrupted or had no device is always tried again. cache: the pixel cache's folder.
    Raises `BenchError` before any training; a cell that fails is a result and raises nothing.
    """
    tell = on_event or _silent
    if not isinstance(study, Study):
        study = load_study(study, data=data, devices=devices, settings=settings)
    elif data is not None or devices or settings:
        raise StudyError("data, devices and settings are for a study given by name or file; this one is complete.")
    folder = Path(out).expanduser() if out is not None else Path("runs") / study.name
    with claim(folder):
        prepared = prepare_study(study, cache=cache, on_event=tell)
        prepared, found = _with_batch_size(prepared, folder, tell)
        run = open_folder(folder, prepared.study, prepared.manifest)
        if found is not None:
            write_atomic(run.path / FOUND_BATCH, json.dumps(found, indent=1, ensure_ascii=False))
        _describe(run, prepared, command or ["patchbench", "run", study.name], cache)
        arrays = _pixel_arrays(prepared, cache, tell)
        todo = {cell.id for cell in prepared.cells if _is_due(run, cell, retry)}
        facts = {"cells": prepared.cells, "pending": len(todo), "run": run, "warnings": prepared.manifest.warnings}
        tell(Event("plan", facts=facts))
        absent: dict[tuple[str, str], CellResult] = {}  # fp16 can be missing where fp32 is not
        for cell in in_turns(prepared):
            if cell.id in todo and (cell.device, cell.precision) in absent:
                _pass_over(run, cell, absent[cell.device, cell.precision], tell)
            elif cell.id in todo:
                result = _run_one(run, cell, prepared, arrays, tell)
                if result.status is Status.UNAVAILABLE:
                    absent[cell.device, cell.precision] = result
            else:
                tell(Event("skip", cell=cell, result=run.result(cell.id)))
        _make_rounds(run, prepared, arrays, tell)
    return run


def prepare_study(study: Study, *, cache: Path | None = None, on_event: OnEvent | None = None) -> Prepared:
    """Read the data set, check it, split it, and lay out the cells. Raises `BenchError`."""
    tell = on_event or _silent
    manifest = prepare(study.dataset, study.split, cache_dir=cache, progress=_progress(tell))
    files = {entry.weights for entry in study.models if is_file(entry.weights)}
    hashes = {path: weights_hash(Path(path)) for path in files if path is not None}
    cells = study.cells(manifest.fingerprint, manifest.split_hash, hashes)
    return Prepared(study, manifest, tuple(cells))


def _with_batch_size(prepared: Prepared, folder: Path, tell: OnEvent) -> tuple[Prepared, dict[str, Any] | None]:
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
            [(cell, _weights_of(study, cell)) for cell in prepared.cells],
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


def in_turns(prepared: Prepared) -> list[Cell]:
    """The order in which cells run: all models with the first seed, then all with the second, and so on.

    A machine that grows warm or busy over the hours then slows all models alike, and not the last of them. For the same
    reason the inference of all models is measured in rounds (`bench.runner.repeats`).
    """
    seeds = prepared.study.seeds
    return sorted(prepared.cells, key=lambda cell: seeds.index(cell.seed))


def _silent(event: Event) -> None:
    """Tell nobody."""


def _progress(tell: OnEvent) -> Callable[[str, int, int], None]:
    return lambda what, done, count: tell(Event("data", facts={"what": what, "done": done, "count": count}))


def _describe(run: Run, prepared: Prepared, command: Sequence[str], cache: Path | None) -> None:
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
        write_thumbnails(prepared.manifest, prepared.study.dataset, pictures, cache_dir=cache)
    study = prepared.study.model_dump(mode="json")
    write_atomic(run.path / "study.yaml", yaml.safe_dump(study, sort_keys=False, allow_unicode=True))


def _pixel_arrays(prepared: Prepared, cache: Path | None, tell: OnEvent) -> dict[int, Path]:
    """The pixel cache's file for each image size that the cells need."""
    sizes = sorted({prepared.study.size_of(entry) for entry in prepared.study.models})
    dataset, manifest = prepared.study.dataset, prepared.manifest
    return {size: pixels(manifest, dataset, size, cache_dir=cache, progress=_progress(tell)) for size in sizes}


def _is_due(run: Run, cell: Cell, retry: Retry) -> bool:
    result = run.result(cell.id)
    if result is None or result.status in (Status.INTERRUPTED, Status.UNAVAILABLE):
        return True
    return retry == "failed" and result.status is not Status.OK


def _pass_over(run: Run, cell: Cell, first: CellResult, tell: OnEvent) -> None:
    """Store a cell whose device a cell before it did not find: no child has to be started to find that again."""
    result = CellResult(
        id=cell.id,
        cell=cell.model_dump(mode="json"),
        label=cell.label,
        status=Status.UNAVAILABLE,
        error=first.error,
        started=first.finished,
        finished=first.finished,
    )
    write_atomic(run.cell_folder(cell.id) / "result.json", result.model_dump_json(indent=1))
    tell(Event("done", cell=cell, result=result))


def _make_rounds(run: Run, prepared: Prepared, arrays: dict[int, Path], tell: OnEvent) -> None:
    """The further rounds of the inference profile, where the study asks for some."""
    study = prepared.study

    def told(cell: Cell, result: CellResult) -> None:
        facts = {"number": len(result.rounds) + 1, "of": study.measure.rounds}
        tell(Event("round", cell=cell, result=result, facts=facts))

    def job_of(cell: Cell) -> Job:
        return _job(run, cell, prepared, arrays)

    further_rounds(run, study, in_turns(prepared), job_of, told)


def _job(run: Run, cell: Cell, prepared: Prepared, arrays: dict[int, Path]) -> Job:
    study = prepared.study
    return Job(
        cell=cell,
        folder=run.cell_folder(cell.id).absolute(),
        dataset=(run.path / "dataset.json").absolute(),
        pixels=arrays[cell.model.image_size or study.dataset.image_size],
        weights=_weights_of(study, cell),
        measure=study.measure,
        keep_model=study.keep_models,
        parent=os.getpid(),
        started=0.0,
    )


def _run_one(run: Run, cell: Cell, prepared: Prepared, arrays: dict[int, Path], tell: OnEvent) -> CellResult:
    tell(Event("start", cell=cell))
    study, job = prepared.study, _job(run, cell, prepared, arrays)
    price = study.prices.get(cell.device, study.prices.get(cell.device.partition(":")[0]))
    try:
        result = run_cell(job, study.budget, on_tick=lambda facts: tell(Event("tick", cell, facts=facts)), price=price)
    except KeyboardInterrupt as stopped:
        if stopped.args:
            _keep(run, stopped.args[0], prepared.manifest)
        raise
    result = _keep(run, result, prepared.manifest)
    tell(Event("done", cell=cell, result=result))
    return result


def _weights_of(study: Study, cell: Cell) -> str:
    """The cell knows a file by its hash; the job needs its path."""
    entry = next(e for e in study.models if e.shown == cell.label)
    return "none" if cell.regime == "scratch" else (entry.weights or "default")


def _keep(run: Run, result: CellResult, manifest: DatasetManifest) -> CellResult:
    """Store a result and return it. The predictions go first: a result that says ok has them."""
    folder = run.cell_folder(result.id)
    raw = folder / "probabilities.npy"
    if result.status is Status.OK and result.cell.get("training", True):
        try:
            _keep_predictions(raw, folder / "predictions.parquet", manifest)
        except ValueError as error:
            failure = Failure(kind=BROKEN, message=f"its predictions cannot be used: {error}")
            told = {"status": Status.FAILED, "error": failure, "metrics": {}, "confusion": ()}
            result = result.model_copy(update=told)
    raw.unlink(missing_ok=True)
    write_atomic(folder / "result.json", result.model_dump_json(indent=1))
    return result


def _keep_predictions(raw: Path, path: Path, manifest: DatasetManifest) -> None:
    """Turn the child's probabilities into the stored predictions; ValueError when they are not what they should be."""
    test = [i for i, side in enumerate(manifest.splits) if side == "test"]
    try:
        probabilities = np.load(raw, allow_pickle=False)
    except (OSError, EOFError) as error:
        raise ValueError(str(error)) from error
    if probabilities.shape != (len(test), len(manifest.classes)) or probabilities.dtype.kind != "f":
        raise ValueError(
            f"{probabilities.dtype} {probabilities.shape}, not a fraction for each of {len(test)} test images and "
            f"{len(manifest.classes)} classes"
        )
    if not (np.all(probabilities >= 0) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)):
        raise ValueError("the probabilities of an image are not all positive numbers that add up to 1")
    labels = np.array([manifest.labels[i] for i in test])
    write_predictions(path, [manifest.names[i] for i in test], labels, probabilities, list(manifest.classes))
