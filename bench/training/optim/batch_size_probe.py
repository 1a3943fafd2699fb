"""The request to the process that searches for a cell's largest batch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from bench.study.schema import Cell

__all__ = ["Probe"]


class Probe(BaseModel):
    """What the child has to find out for one cell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    weights: str
    """As `Job.weights`."""
    classes: int
    limit_bytes: int
    """Memory that the cell's process may use."""
    highest: int
    """No larger batch is asked for."""


MEMORY_SHARE = 0.8
"""Of the memory there is: the rest is for what a count does not see, such as the libraries' buffers."""
