"""Run a study: prepare its data once, open its run folder, and go through the cells that are not done yet."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.errors import StudyError
from bench.execution.local import run_cell
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import BROKEN
from bench.results.dataset import DatasetManifest
from bench.results.files import write_atomic
from bench.results.run import Run
from bench.results.schema import CellResult, Failure, Status
from bench.results.writer import FOUND_BATCH, acquire_lock, keep_predictions, open_folder
from bench.runner.events import Event, OnEvent, ignore_event
from bench.runner.preparation import Prepared, describe_run, pixel_arrays, prepare_study, weights_of, with_batch_size
from bench.runner.repeats import further_rounds
from bench.study.load import load_study
from bench.study.schema import Cell, Study

__all__ = ["run_study"]

Retry = Literal["failed", "none"]


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
    tell = on_event or ignore_event
    if not isinstance(study, Study):
        study = load_study(study, data=data, devices=devices, settings=settings)
    elif data is not None or devices or settings:
        raise StudyError("data, devices and settings are for a study given by name or file; this one is complete.")
    folder = Path(out).expanduser() if out is not None else Path("runs") / study.name
    with acquire_lock(folder):
        prepared = prepare_study(study, cache=cache, on_event=tell)
        prepared, found = with_batch_size(prepared, folder, tell)
        run = open_folder(folder, prepared.study, prepared.manifest)
        if found is not None:
            write_atomic(run.path / FOUND_BATCH, json.dumps(found, indent=1, ensure_ascii=False))
        describe_run(run, prepared, command or ["patchbench", "run", study.name], cache)
        arrays = pixel_arrays(prepared, cache, tell)
        todo = {cell.id for cell in prepared.cells if _is_due(run, cell, retry)}
        facts = {"cells": prepared.cells, "pending": len(todo), "run": run, "warnings": prepared.manifest.warnings}
        tell(Event("plan", facts=facts))
        absent: dict[tuple[str, str], CellResult] = {}  # fp16 can be missing where fp32 is not
        for cell in in_turns(prepared):
            if cell.id in todo and (cell.device, cell.precision) in absent:
                _store_unavailable(run, cell, absent[cell.device, cell.precision], tell)
            elif cell.id in todo:
                result = _run_one(run, cell, prepared, arrays, tell)
                if result.status is Status.UNAVAILABLE:
                    absent[cell.device, cell.precision] = result
            else:
                tell(Event("skip", cell=cell, result=run.result(cell.id)))
        _make_rounds(run, prepared, arrays, tell)
    return run


def in_turns(prepared: Prepared) -> list[Cell]:
    """The order in which cells run: all models with the first seed, then all with the second, and so on.

    A machine that grows warm or busy over the hours then slows all models alike, and not the last of them. For the same
    reason the inference of all models is measured in rounds (`bench.runner.repeats`).
    """
    seeds = prepared.study.seeds
    return sorted(prepared.cells, key=lambda cell: seeds.index(cell.seed))


def _is_due(run: Run, cell: Cell, retry: Retry) -> bool:
    result = run.result(cell.id)
    if result is None or result.status in (Status.INTERRUPTED, Status.UNAVAILABLE):
        return True
    return retry == "failed" and result.status is not Status.OK


def _store_unavailable(run: Run, cell: Cell, first: CellResult, tell: OnEvent) -> None:
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
        weights=weights_of(study, cell),
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


def _keep(run: Run, result: CellResult, manifest: DatasetManifest) -> CellResult:
    """Store a result and return it. The predictions go first: a result that says ok has them."""
    folder = run.cell_folder(result.id)
    raw = folder / "probabilities.npy"
    if result.status is Status.OK and result.cell.get("training", True):
        try:
            keep_predictions(raw, folder / "predictions.parquet", manifest)
        except ValueError as error:
            failure = Failure(kind=BROKEN, message=f"its predictions cannot be used: {error}")
            told = {"status": Status.FAILED, "error": failure, "metrics": {}, "confusion": ()}
            result = result.model_copy(update=told)
    raw.unlink(missing_ok=True)
    write_atomic(folder / "result.json", result.model_dump_json(indent=1))
    return result
