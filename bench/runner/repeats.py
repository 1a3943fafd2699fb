"""Further rounds of the inference profile: all models in turn, then all again, so that drift slows all of them alike.

A cell's first round is part of the cell itself. In each further one a new process builds the model and profiles it;
its samples join those of the stored result. A round that fails is told in the result, which stands as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

from bench.execution.local import run_cell
from bench.execution.messages.job import Job
from bench.measure.latency import summary_metrics
from bench.measure.pooling import pool
from bench.results.files import write_atomic
from bench.results.run import Run
from bench.results.schema import CellResult, Round, Status
from bench.study.schema import Cell, Study

__all__ = ["further_rounds"]

_FOLDER = "round"
"""Below the cell's own; it is gone when the round is over."""


def further_rounds(
    run: Run,
    study: Study,
    cells: Sequence[Cell],
    job_of: Callable[[Cell], Job],
    tell: Callable[[Cell, CellResult], None],
) -> None:
    """Make the rounds of ``measure.rounds`` that the stored results do not have yet.

    A nearest-neighbor head is its training images, which a new process does not have: such cells have one round.

    tell: called with the result after each round. Raises as `run_cell` does; what is stored stays whole.
    """
    for number in range(1, study.measure.rounds):
        for cell in cells:
            result = run.result(cell.id)
            rebuilt = not (cell.training and cell.train.head == "knn")
            if rebuilt and result is not None and len(result.rounds) < number and _can_go_on(result):
                joined = _round(job_of(cell), study, result, number)
                write_atomic(run.cell_folder(cell.id) / "result.json", joined.model_dump_json(indent=1))
                tell(cell, joined)


def _can_go_on(result: CellResult) -> bool:
    """Whether there is a profile to join, and it was not cut short: that would happen again."""
    measured = any(profile.batches for profile in result.profiles)
    return result.status is Status.OK and measured and "exit" not in result.context


def _round(job: Job, study: Study, result: CellResult, number: int) -> CellResult:
    folder = job.folder / _FOLDER
    again = job.model_copy(update={"folder": folder, "round": number, "keep_model": False})
    found = run_cell(again, study.budget, on_tick=_silent)
    shutil.rmtree(folder)
    lost = None
    if found.status is not Status.OK:
        lost = f"{found.status.value}: {found.error.message if found.error else ''}"
    elif "exit" in found.context:
        lost = str(found.context["exit"])
    made = Round(
        started=found.started or "",
        seconds=(found.timings.total_seconds or 0.0) + (found.timings.inference_seconds or 0.0),
        during=found.context.get("during", {}),
        lost=lost,
    )
    profiles = result.profiles if lost else pool(result.profiles, found.profiles, study.measure.tolerance)
    told = {"profiles": profiles, "inference": summary_metrics(profiles), "rounds": (*result.rounds, made)}
    return result.model_copy(update=told)


def _silent(facts: dict[str, Any]) -> None:
    """A round is short: nobody is told how far it is."""
