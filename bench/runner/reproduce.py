"""Running a study again from what a run stored, into a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.errors import RunError, StudyError
from bench.results.run import LARGEST_STUDY, Run
from bench.runner.events import OnEvent
from bench.runner.preparation import Prepared
from bench.runner.study import run_study
from bench.study.load import load_study
from bench.study.schema import Cell, Study

__all__ = ["reproduce", "stored_study"]

_MOVABLE = re.compile(r"\s*(models\.[^=]+\.weights|split\.file|dataset\.path)\s*=.*", re.DOTALL)
"""What may lie elsewhere now; its content is checked against what the run stored."""


def reproduce(
    original: Path,
    *,
    data: Path | None = None,
    settings: Sequence[str] = (),
    out: Path | None = None,
    on_event: OnEvent | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Run the study that ``original`` stored once more and return the new run.

    data: where the data lies now, a folder or a zip; left out, where it lay. settings: ``key=value`` for files that lie
    elsewhere now: ``models.NAME.weights``, ``split.file``. out: the new folder, ``RUN-reproduced`` beside the first by
    default; one that was begun is resumed. The first run is only read. Raises `RunError` where it is no run, its
    study is of another version, or data or weights are not what they were, and `BenchError` as `run_study` does.
    """
    before = Run(original)
    study = stored_study(before, data=data, settings=settings)
    folder = out or before.path.resolve().with_name(f"{before.path.resolve().name}-reproduced")
    if folder.resolve() == before.path.resolve():
        raise RunError(f"{folder} is the run itself. Give another folder with --out.")

    def check(prepared: Prepared) -> None:
        _refuse_other_files(before, prepared)

    return run_study(study, out=folder, on_event=on_event, command=command, check=check)


def stored_study(before: Run, *, data: Path | None = None, settings: Sequence[str] = ()) -> Study:
    """The study of a run, to be run again; raises what `reproduce` does before it runs anything."""
    _ = before.dataset, before.results()  # which it will be compared with
    for setting in settings:
        if not _MOVABLE.fullmatch(setting):
            raise RunError(
                f"--set {setting}: a run is made again as it was, so only the places of files can be set: "
                f"models.NAME.weights, split.file, dataset.path. For another study use 'patchbench run'."
            )
    try:
        return load_study(before.path / "study.yaml", data=data, settings=settings, largest=LARGEST_STUDY)
    except StudyError as error:
        raise RunError(
            f"the study of {before.path} cannot be run as it is stored: {error} Where a file lies elsewhere now, name "
            f"it with --set; where this version knows other keys, use the version named in environment.json."
        ) from error


def _refuse_other_files(before: Run, now: Prepared) -> None:
    then = before.dataset
    for what, found, was in (
        ("fingerprint", now.manifest.fingerprint, then.fingerprint),
        ("split", now.manifest.split_hash, then.split_hash),
    ):
        if found != was:
            raise RunError(
                f"the data is not what {before.path} was made from: its {what} is {found[:12]} now and was "
                f"{was[:12]}. Give the same images with --data, and the same split with --set split.file=FILE."
            )
    stored = {_place(result.cell): result.cell for result in before.results()}
    for cell in now.cells:
        was_cell = stored.get(_place(cell))
        if was_cell is not None and _weights(was_cell) != _weights(cell):
            raise RunError(
                f"the weights of {cell.label} are not what {before.path} was made from: {cell.title} starts from "
                f"{_weights(cell)} now and started from {_weights(was_cell)}. " + _other_weights(was_cell)
            )


def _place(cell: Cell) -> tuple[object, ...]:
    """Where a cell stands in the grid, whatever its weights are."""
    return (cell.label, cell.regime, cell.device, cell.precision, cell.seed)


def _weights(cell: Cell) -> str:
    """What a cell starts from: a file by its content and not by where it lies, anything else by its name."""
    content = cell.weights_sha256
    return f"a file of SHA-256 {content[:12]}" if content else repr(cell.model.weights)


def _other_weights(then: Cell) -> str:
    if then.weights_sha256:
        return f"Give the same file with --set models.{then.label}.weights=FILE."
    return f"Leave --set models.{then.label}.weights out."
