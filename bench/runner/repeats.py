"""Further rounds of the inference profile: all models in turn, then all again, so that drift slows all of them alike.

A cell's first round is part of the cell itself. In each further one a new process builds the model and profiles it;
its samples join those of the stored result. A round that fails is noted in the result, which stands as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from bench.execution.executor import Executor
from bench.execution.messages.job import Job
from bench.execution.messages.progress import Progress
from bench.measure.latency import summary_metrics
from bench.measure.pooling import pool
from bench.results.environment import SystemLoad
from bench.results.files import write_atomic
from bench.results.notice import Notice
from bench.results.run import Run
from bench.results.schema import CellResult, Round, Status
from bench.runner.due import lacks_round
from bench.study.schema import Cell, Study

__all__ = ["further_rounds"]

_FOLDER = "round"
"""Below the cell's own; it is gone when the round is over."""


def further_rounds(
    run: Run,
    study: Study,
    cells: Sequence[Cell],
    executor: Executor,
    job_of: Callable[[Cell], Job],
    on_round: Callable[[Cell, CellResult], None],
    check: Callable[[], None],
) -> None:
    """Make the rounds of ``measure.rounds`` that the stored results do not have yet.

    on_round: called with the result after each round. check: raises `RunError` where the run folder is gone.
    Raises as `Executor.run` does; what is stored stays whole.
    """
    for number in range(1, study.measure.rounds):
        for cell in cells:
            result = run.result(cell.id)
            if result is not None and lacks_round(cell, result, number):
                joined = _round(job_of(cell), study, executor, result, number)
                check()
                write_atomic(run.cell_folder(cell.id) / "result.json", joined.model_dump_json(indent=1))
                on_round(cell, joined)


def _round(job: Job, study: Study, executor: Executor, result: CellResult, number: int) -> CellResult:
    folder = job.folder / _FOLDER
    again = job.model_copy(update={"folder": folder, "round": number, "keep_model": False})
    found = executor.run(again, study.budget, on_progress=_ignore)
    shutil.rmtree(folder, ignore_errors=True)  # the next round makes it ready in any case
    lost = _lost(found)
    made = Round(
        started=found.started or "",
        seconds=(found.timings.total_seconds or 0.0) + (found.timings.inference_seconds or 0.0),
        system_load=found.context.system_load or SystemLoad(),
        lost=lost,
    )
    profiles = result.profiles if lost else pool(result.profiles, found.profiles, study.measure.tolerance)
    joined = {"profiles": profiles, "inference": summary_metrics(profiles), "rounds": (*result.rounds, made)}
    return result.model_copy(update=joined)


def _lost(found: CellResult) -> Notice | None:
    """Why a round gave nothing; None when it did."""
    if found.status is Status.OK:
        return found.context.late_failure
    if found.error is None:
        return Notice.of("round_lost", status=found.status.value)
    return Notice.of("round_failed", status=found.status.value, reason=found.error.notice)


def _ignore(progress: Progress) -> None:
    """A round is short: nobody is shown how far it is."""
