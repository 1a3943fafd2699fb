"""``batch_size: auto``: the largest power of two that fits in memory for every cell of a study, found before the first.

All models then train at the same effective batch, and nothing is made smaller later on. On a CPU the memory of a
step is counted, not filled: weights, gradients, the optimizer's state and what a small batch keeps for its backward
pass, scaled up. On other devices steps are made with larger and larger batches, until one does not fit.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import BenchError, StudyError
from bench.isolated import call_isolated
from bench.measure.system.machine import available_bytes
from bench.study.schema import Cell
from bench.training.optim.batch_size_probe import MEMORY_SHARE, Probe

__all__ = ["BatchSizeResult", "find_batch_size", "highest_worthwhile"]

_HIGHEST = 1024
_STEPS_PER_EPOCH = 8


@dataclass(frozen=True)
class BatchSizeResult:
    """The batch for a whole study, and the cells that decided it."""

    batch_size: int
    largest: dict[str, int]
    """The largest batch by the cell's title."""


def highest_worthwhile(train_images: int) -> int:
    """The largest power of two that leaves some eight steps in an epoch, from 1 to 1,024."""
    most = max(1, min(_HIGHEST, train_images // _STEPS_PER_EPOCH))
    return 1 << (most.bit_length() - 1)


def find_batch_size(
    cells: Sequence[tuple[Cell, str]], *, classes: int, train_images: int, memory_limit: int | None
) -> BatchSizeResult:
    """Ask, in a process of its own, for each kind of cell how large its batch can be, and return the least answer.

    cells: with the weights that each starts from. memory_limit: the study's, in bytes. Cells that only differ in their
    seed are asked about once; those whose device is not here decide nothing.
    Raises `StudyError` where not even a single image fits, or no device is here.
    """
    limit = min(memory_limit or sys.maxsize, available_bytes())
    highest, largest = highest_worthwhile(train_images), {}
    kinds = {(cell.model, cell.regime, cell.device, cell.precision): (cell, weights) for cell, weights in cells}
    for cell, weights in kinds.values():
        probe = Probe(cell=cell, weights=weights, classes=classes, limit_bytes=limit, highest=highest)
        answer = _ask(probe)
        if answer is not None:
            largest[cell.title] = answer
    if not largest:
        raise StudyError("train.batch_size: auto found no device of the study on this machine; write a number.")
    least = min(largest.values())
    if least == 0:
        title = next(title for title, batch in largest.items() if batch == 0)
        raise StudyError(
            f"train.batch_size: auto found no batch for {title}: a single image does not fit in "
            f"{limit * MEMORY_SHARE / 2**20:,.0f} MiB. Take a smaller model or image, or a larger budget.memory_limit."
        )
    return BatchSizeResult(least, largest)


def _ask(probe: Probe) -> int | None:
    """The largest batch of a cell; None where its device is not here."""
    try:
        found = call_isolated("bench.training.optim.batch_size_worker:find_largest", probe.model_dump_json())
    except BenchError as error:
        raise StudyError(
            f"train.batch_size: auto could not try {probe.cell.title} ({error}); write a number."
        ) from error
    return None if found is None else int(found)
