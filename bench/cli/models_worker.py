"""What ``patchbench models`` has a child process measure: this module's functions import torch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.errors import ModelError
from models_zoo.errors import ModelZooError
from models_zoo.summary import describe, measure_figures

__all__ = ["count_models", "summarize"]


def summarize(name: str, image_size: int | None, classes: int) -> dict[str, Any]:
    """Return the `ModelSummary` of a model as plain data. Raises `ModelError` where it cannot be built."""
    try:
        return asdict(describe(name, image_size, classes))
    except ModelZooError as error:
        raise ModelError(str(error)) from error


def count_models(names: list[str], image_size: int | None, classes: int) -> dict[str, tuple[int, int] | None]:
    """Return parameters and multiply-adds of each model by its name; None for one that cannot take the size."""
    counts: dict[str, tuple[int, int] | None] = {}
    for name in names:
        try:
            counts[name] = measure_figures(name, classes, image_size)
        except ModelZooError:
            counts[name] = None
    return counts
