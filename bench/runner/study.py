"""Run a study: prepare its data once, open its run folder, and go through the cells that are not done yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.cache_dir import cache_folder
from bench.errors import RunError, StudyError
from bench.execution.executor import CellInterrupted, Executor, open_executor
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import BROKEN
from bench.measure.system.cpus import cell_threads
from bench.results.dataset import DatasetManifest
from bench.results.files import write_atomic
from bench.results.notice import Notice, list_names
from bench.results.plan import FOUND_BATCH
from bench.results.run import Run
from bench.results.schema import CellResult, Failure, Status
from bench.results.writer import keep_predictions, open_folder
from bench.runner.due import Due, Retry, find_due, find_unkept
from bench.runner.events import (
    CellDone,
    CellProgress,
    CellSkipped,
    CellStarted,
    OnEvent,
    Planned,
    RoundDone,
    ignore_event,
)
from bench.runner.folder import HeldFolder, hold_folder, require_text, run_folder
from bench.runner.preparation import (
    DESCRIPTION,
    Prepared,
    describe_run,
    in_turns,
    pixel_arrays,
    prepare_study,
    size_of,
    weights_of,
    with_batch_size,
)
from bench.runner.repeats import further_rounds
from bench.signals import deferred
from bench.study.load import load_study
from bench.study.schema import Cell, Study

__all__ = ["run_study"]

_NAMED = 3
"""Cells that a warning names."""


def run_study(
    study: Study | str | Path,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    devices: Sequence[str] = (),
    settings: Sequence[str] = (),
    retry: Retry = "none",
    executor: str = "local",
    cache: Path | None = None,
    on_event: OnEvent | None = None,
    command: Sequence[str] | None = None,
    check: Callable[[Prepared], None] | None = None,
) -> Run:
    """Run all cells of a study that have no result yet, one at a time.

    study: a `Study`, a shipped name or a YAML file; data, devices, settings: see `load_study`. out: the run folder,
    ``runs/NAME`` by default; a run that is there already is resumed. retry: ``failed`` runs again what is not ok;
    what was interrupted or had no device is always tried again. executor: what runs a cell, ``local`` (a process of
    its own) or ``inline`` (this one, for debugging). cache: the pixel cache's folder. check: called with the prepared
    study before anything is stored; what it raises ends the run.
    Raises `BenchError` before any training; a cell that fails is a result and raises nothing.
    """
    notify = on_event or ignore_event
    if not isinstance(study, Study):
        study = load_study(study, data=data, devices=devices, settings=settings)
    elif data is not None or devices or settings:
        raise StudyError("data, devices and settings are for a study given by name or file; this one is complete.")
    cell_threads(study.train.threads, os.environ.get("OMP_NUM_THREADS"))  # refuses what is not a number
    runs_cells = open_executor(executor)
    folder = run_folder(out, study.name)
    require_text(cache_folder(cache).absolute(), "the cache folder")
    with hold_folder(folder) as held:
        prepared = prepare_study(study, cache=cache, on_event=notify)
        if check is not None:
            check(prepared)
        prepared, found = with_batch_size(prepared, Run(folder), notify)
        held.check()
        run = open_folder(folder, prepared.study, prepared.manifest)
        if found is not None:
            write_atomic(run.path / FOUND_BATCH, found.model_dump_json(indent=1))
        describe_run(run, prepared, command or ["patchbench", "run", study.name], cache)
        due = find_due(run, prepared, retry)
        needed = [cell for cell in prepared.cells if cell.id in due.cells | due.rounds]
        arrays = pixel_arrays(prepared, needed, cache, notify)
        warnings = (*_warnings(run, prepared, due), *held.notices)
        notify(Planned(prepared.cells, len(due.cells), run, warnings, prepared.manifest))
        _Cells(run, prepared, runs_cells, arrays, notify, held).run_all(due)
        held.check([*DESCRIPTION, *(f"cells/{cell.id}/result.json" for cell in prepared.cells)])
    return run


def _warnings(run: Run, prepared: Prepared, due: Due) -> tuple[Notice, ...]:
    """What to know before the cells run: of the data, and of weights that will not be there."""
    unkept = [cell.title for cell in find_unkept(run, prepared) if cell.id not in due.cells]
    if not unkept:
        return tuple(prepared.manifest.warnings)
    names = list_names(unkept[:_NAMED], len(unkept))
    return (*prepared.manifest.warnings, Notice.of("models_missing", count=len(unkept), names=names))


@dataclass(frozen=True)
class _Cells:
    """The cells of a run whose data is ready."""

    run: Run
    prepared: Prepared
    executor: Executor
    arrays: Mapping[int, Path]
    """The pixel cache's file by image size, for the cells that need one."""
    notify: OnEvent
    held: HeldFolder

    def run_all(self, due: Due) -> None:
        """Run what is due, cell by cell, then the further rounds of the inference profile."""
        absent: dict[tuple[str, str], CellResult] = {}  # fp16 can be missing where fp32 is not
        for cell in in_turns(self.prepared):
            if cell.id in due.cells and (cell.device, cell.precision) in absent:
                self._store_unavailable(cell, absent[cell.device, cell.precision])
            elif cell.id in due.cells:
                result = self._run(cell)
                if result.status is Status.UNAVAILABLE:
                    absent[cell.device, cell.precision] = result
            elif (known := self.run.result(cell.id)) is not None:
                self.notify(CellSkipped(cell, known))
        if not self.executor.interactive:  # which times nothing
            cells, study = in_turns(self.prepared), self.prepared.study
            further_rounds(self.run, study, cells, self.executor, self._job, self._round_done, self.held.check)

    def _run(self, cell: Cell) -> CellResult:
        self.notify(CellStarted(cell))
        study, job = self.prepared.study, self._job(cell)
        try:
            result = self.executor.run(
                job,
                study.budget,
                on_progress=lambda progress: self.notify(CellProgress(cell, progress)),
                price_per_hour=study.prices.get(cell.device, study.prices.get(cell.device.partition(":")[0])),
            )
        except CellInterrupted as stopped:
            self.held.check()
            _keep(self.run, stopped.result, self.prepared.manifest)
            raise
        except RunError:
            self.held.check()  # a better reason, where it is that
            raise
        self.held.check()
        result = _keep(self.run, result, self.prepared.manifest)
        self.notify(CellDone(cell, result))
        return result

    def _job(self, cell: Cell) -> Job:
        self.held.check(DESCRIPTION)
        study = self.prepared.study
        return Job(
            cell=cell,
            folder=self.run.cell_folder(cell.id).absolute(),
            dataset=(self.run.path / "dataset.json").absolute(),
            pixels=self.arrays[size_of(cell, study)],
            weights=weights_of(study, cell),
            measure=study.measure,
            keep_model=study.keep_models,
        )

    def _round_done(self, cell: Cell, result: CellResult) -> None:
        self.notify(RoundDone(cell, result, len(result.rounds) + 1, self.prepared.study.measure.rounds))

    def _store_unavailable(self, cell: Cell, first: CellResult) -> None:
        """Store a cell whose device a cell before it did not find: nothing has to be started to find that again."""
        self.held.check()
        result = CellResult(
            id=cell.id,
            cell=cell,
            label=cell.label,
            status=Status.UNAVAILABLE,
            error=first.error,
            started=first.finished,
            finished=first.finished,
        )
        write_atomic(self.run.cell_folder(cell.id) / "result.json", result.model_dump_json(indent=1))
        self.notify(CellDone(cell, result))


def _keep(run: Run, result: CellResult, manifest: DatasetManifest) -> CellResult:
    """Store a result and return it, whatever signal comes meanwhile: a cell that is done is not done again."""
    with deferred():
        return _store(run, result, manifest)


def _store(run: Run, result: CellResult, manifest: DatasetManifest) -> CellResult:
    """Store a result and return it. The predictions go first: a result that is ok has them."""
    folder = run.cell_folder(result.id)
    raw = folder / "probabilities.npy"
    if result.status is Status.OK and result.cell.training:
        try:
            keep_predictions(raw, folder / "predictions.parquet", manifest)
        except OSError as error:
            raise RunError(
                f"cannot write {folder / 'predictions.parquet'}: {error.strerror or error}. What was stored before is "
                f"intact; make room, then run the same command again."
            ) from error
        except ValueError as error:
            failure = Failure(kind=BROKEN, notice=Notice.of("broken_predictions", reason=str(error)))
            failed = {"status": Status.FAILED, "error": failure, "metrics": {}, "confusion": ()}
            result = result.model_copy(update=failed)
    raw.unlink(missing_ok=True)
    write_atomic(folder / "result.json", result.model_dump_json(indent=1))
    return result
