"""Which cells of a study are still to be run, and which need further rounds of the inference profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.runner.preparation import Prepared
from bench.study.schema import Cell

__all__ = ["Due", "Retry", "find_due", "find_unkept", "lacks_round"]

Retry = Literal["failed", "none"]
"""``failed``: what is not ok is run again, and what lacks the weights that the study wants to keep."""


@dataclass(frozen=True)
class Due:
    """The work that is left."""

    cells: frozenset[str]
    """Ids of the cells that are to be run."""
    rounds: frozenset[str]
    """Ids of cells that are done but for further rounds of their inference profile."""


def find_due(run: Run, prepared: Prepared, retry: Retry) -> Due:
    """Compare the cells with the results that are stored. What was interrupted or had no device is always due."""
    results = {cell.id: run.result(cell.id) for cell in prepared.cells}
    cells = frozenset(cell.id for cell in prepared.cells if _is_due(results[cell.id], retry))
    if retry == "failed":
        cells |= {cell.id for cell in find_unkept(run, prepared)}
    last = prepared.study.measure.rounds - 1
    rounds = (c.id for c in prepared.cells if c.id not in cells and lacks_round(c, results[c.id], last))
    return Due(cells, frozenset(rounds))


def _is_due(result: CellResult | None, retry: Retry) -> bool:
    if result is None or result.status in (Status.INTERRUPTED, Status.UNAVAILABLE):
        return True
    return retry == "failed" and result.status is not Status.OK


def find_unkept(run: Run, prepared: Prepared) -> list[Cell]:
    """Cells that are ok but whose weights, which the study wants to keep, are not there.

    The disk was full, the file was deleted, or keep_models was not set at the time. A model that the format cannot hold
    is none of them: that would happen again.
    """
    if not prepared.study.keep_models:
        return []
    return [
        cell
        for cell in prepared.cells
        if cell.training
        and (result := run.result(cell.id)) is not None
        and result.status is Status.OK
        and not (run.cell_folder(cell.id) / "model.safetensors").is_file()
        and all(notice.code != "model_not_kept" for notice in result.context.notices)
    ]


def lacks_round(cell: Cell, result: CellResult | None, number: int) -> bool:
    """Whether the further round ``number`` (from 1) is to be made of a cell.

    There has to be a profile to join, which was not cut short: that would happen again. A nearest-neighbor head is its
    training images, which a new process does not have: such cells have one round.
    """
    if result is None or result.status is not Status.OK or len(result.rounds) >= number:
        return False
    rebuilt = not (cell.training and cell.train.head == "knn")
    measured = any(profile.batches for profile in result.profiles)
    return rebuilt and measured and result.context.late_failure is None
