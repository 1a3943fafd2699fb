"""What a child writes when it ends by itself; it is read with suspicion, for the child may have been ended halfway."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from bench.results.files import read_regular
from bench.results.read import LARGEST_RESULT
from bench.results.schema import Failure, InferenceProfile, Memory, ModelFacts, Status, Timings
from bench.results.settings import CellContext, CellSettings
from bench.results.stored import Amount, Count, Stored

__all__ = ["BROKEN", "DISK_EXIT", "Outcome", "SoFar", "read_outcome"]

BROKEN = "broken result"
"""`Failure.kind` of a child whose outcome cannot be read."""

DISK_EXIT = 74
"""Exit code of a child that could not write its files (EX_IOERR of sysexits.h)."""


class SoFar(Stored):
    """What is known of a cell while it runs, all that is left of one that is killed."""

    model_config = ConfigDict(ser_json_inf_nan="constants")  # NaN is written as such, and refused by the reader

    timings: Timings = Timings()
    """Seconds of the phases that have ended."""
    memory: Memory = Memory()
    """What the child itself sees of its memory."""
    model: ModelFacts = ModelFacts()
    """The model that was built; known once it has been tested."""
    context: CellContext = CellContext()
    """Device, threads and versions of the child."""
    settings: CellSettings = CellSettings()
    """What the training did where the study left it open."""


class Outcome(SoFar):
    """outcome.json: the child writes it as the last thing, or before the inference profile and again after it."""

    status: Status
    """How the cell ended."""
    error: Failure | None = None
    """Why it is not ok; the parent adds the end of the log."""
    metrics: dict[str, float | None] = Field(default_factory=dict)
    """Scores on the test images."""
    confusion: tuple[tuple[Count, ...], ...] = ()
    """Test images counted by (true class, predicted class)."""
    best_epoch: Count | None = None
    """The epoch (from 1) whose weights were tested."""
    epochs: Count = 0
    """Epochs that were finished."""
    ended_after: Amount | None = None
    """Seconds from the child's start to its result, before the inference profile."""
    profiles: tuple[InferenceProfile, ...] = ()
    """The inference profile of each backend, as far as it is measured."""


def read_outcome(folder: Path) -> Outcome | str | None:
    """The outcome that lies in a cell's folder; None when there is none, a string with the reason when it is broken."""
    try:
        text = read_regular(folder / "outcome.json", LARGEST_RESULT)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or str(error)
    try:
        return Outcome.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        return f"{f'{key}: ' if key else ''}{first['msg']}"
