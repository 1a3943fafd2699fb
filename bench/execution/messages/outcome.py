"""What a child leaves when it ends by itself; it is read with suspicion, for the child may have been ended halfway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.results.schema import InferenceProfile, Memory, ModelFacts, Status, Timings

__all__ = ["BROKEN", "DISK_EXIT", "KEPT_OF_KILLED", "Outcome", "read_outcome", "read_so_far"]

BROKEN = "broken result"
"""`Failure.kind` of a child whose outcome cannot be read."""

DISK_EXIT = 74
"""Exit code of a child that could not write its files (EX_IOERR of sysexits.h)."""

KEPT_OF_KILLED = ("timings", "memory", "context", "settings", "model")
"""What progress.json holds of the outcome under ``so_far``, for the case that the child is killed."""


class _Why(BaseModel):
    model_config = ConfigDict(extra="ignore")

    kind: str = Field(max_length=200)
    message: str


class Outcome(BaseModel):
    """outcome.json: the child writes it as the last thing, or before the inference profile and again after it."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    status: Status
    error: _Why | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()
    best_epoch: int | None = None
    epochs: int = 0
    ended_after: float | None = None
    """Seconds from the child's start to its result, before the inference profile."""
    timings: Timings = Timings()
    memory: Memory = Memory()
    model: ModelFacts = ModelFacts()
    profiles: tuple[InferenceProfile, ...] = ()
    context: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)


def read_outcome(folder: Path) -> Outcome | str | None:
    """The outcome that lies in a cell's folder; None when there is none, a text that says why when it is broken."""
    try:
        text = (folder / "outcome.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        return f"its outcome cannot be read: {error}"
    try:
        return Outcome.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        return f"its outcome cannot be used ({f'{key}: ' if key else ''}{first['msg']})"


def read_so_far(folder: Path, status: Status) -> Outcome:
    """What a child that left no usable outcome had told of itself; at worst the status alone."""
    try:
        told = json.loads((folder / "progress.json").read_text(encoding="utf-8"))["so_far"]
        return Outcome.model_validate({**{key: told[key] for key in KEPT_OF_KILLED}, "status": status})
    except (OSError, ValueError, KeyError, TypeError):  # a ValidationError is a ValueError
        return Outcome(status=status)
