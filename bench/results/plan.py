"""What a run is to do: the cells of its plan, and the batch size that was found for all of them."""

from __future__ import annotations

from pydantic import Field

from bench.results.stored import SCHEMA_VERSION, Count, Stored

__all__ = ["FOUND_BATCH", "FoundBatchSize", "Plan", "PlannedCell"]


FOUND_BATCH = "batch_size.json"
"""The file of `FoundBatchSize` in a run folder."""


class PlannedCell(Stored):
    """A cell that the study asks for."""

    id: str = Field(max_length=200, pattern=r"^[^/\\\x00]+$")
    """Its id, the name of its folder below ``cells``."""
    label: str
    """The model's name in every table."""
    model: str
    """The model's name as ``patchbench models`` lists it."""
    family: str
    """The model's family: ``vit``, ``cnn`` ..."""
    regime: str
    """``scratch``, ``finetune`` or ``frozen``."""
    device: str
    """The device as the study names it."""
    precision: str
    """``fp32``, ``bf16`` or ``fp16``."""
    seed: int
    """The seed of the weights, the order and the augmentation."""


class Plan(Stored):
    """plan.json: the cells of a run in the order of the study's grid."""

    schema_version: int = SCHEMA_VERSION
    """Version of the layout."""
    cells: tuple[PlannedCell, ...] = ()
    """The cells."""


class FoundBatchSize(Stored):
    """batch_size.json: what ``batch_size: auto`` has found for the run."""

    schema_version: int = SCHEMA_VERSION
    """Version of the layout."""
    batch_size: int = Field(ge=1)
    """Images in a step of the optimizer, for every cell."""
    largest: dict[str, Count]
    """The largest batch that fits, by the cell's title."""
