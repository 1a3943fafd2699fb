"""What a run of a study would do, found out without writing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.data.cache_dir import temporary_cache
from bench.errors import RunError
from bench.results.run import Run
from bench.results.schema import CellResult
from bench.results.writer import open_folder
from bench.runner.due import Due, Retry, find_due
from bench.runner.events import OnEvent
from bench.runner.folder import run_folder
from bench.runner.preparation import Prepared, check_batches, prepare_study, with_found_batch_size
from bench.runner.weights import check_weights
from bench.study.schema import Study

__all__ = ["DryRun", "dry_run"]


@dataclass(frozen=True)
class DryRun:
    """A study as a run of it would find it."""

    prepared: Prepared
    folder: Path
    """The run folder, there or not."""
    due: Due
    results: dict[str, CellResult]
    """What is stored of the study's cells, by id."""
    ids_are_final: bool
    """False where ``batch_size: auto`` has not been found yet: the cells' ids depend on it."""


def dry_run(study: Study, *, out: Path | None = None, retry: Retry = "none", on_event: OnEvent | None = None) -> DryRun:
    """Check a study and its data, and compare its cells with what its run folder holds.

    out, retry: as `bench.runner.study.run_study` takes them. Nothing is written, neither to the run folder nor to the
    cache, which is read; only a data set that has to be downloaded is kept there. Raises `BenchError` as a run would
    before its first cell.
    """
    with temporary_cache() as unpacked:
        prepared = prepare_study(study, cache=unpacked, keep=False, on_event=on_event)
    check_weights(prepared)
    folder = run_folder(out, study.name)
    try:
        return _compared(prepared, folder, retry)
    except OSError as error:  # a file, a name that is too long, a folder that may not be looked into
        raise RunError(
            f"the run folder {folder} cannot be read: {error.strerror or error}. Give another with --out."
        ) from error


def _compared(prepared: Prepared, folder: Path, retry: Retry) -> DryRun:
    study, run = prepared.study, Run(folder)
    final = study.train.batch_size != "auto"
    if not final and (found := run.batch_size) is not None:
        prepared, final = with_found_batch_size(prepared, found), True
    if final:
        check_batches(prepared)
    if folder.exists() and (final or not (folder / "study.yaml").exists()):
        open_folder(folder, prepared.study, prepared.manifest)
    results = {cell.id: result for cell in prepared.cells if (result := run.result(cell.id)) is not None}
    return DryRun(prepared, folder, find_due(run, prepared, retry), results, final)
