"""The table of models, without torch: what ``patchbench models`` lists."""

from __future__ import annotations

from dataclasses import dataclass

from models_zoo.registry import list_specs

__all__ = ["ModelRow", "model_rows"]


@dataclass(frozen=True)
class ModelRow:
    """One model in the table. What is not known without building it, as for plug-ins, is None."""

    name: str
    family: str
    patch: int | None
    image_size: int
    """The width and height in pixels that ``macs`` and ``flops`` are counted at."""
    parameters: int | None
    """With a head for 1000 classes, as published figures have it."""
    macs: int | None
    """Multiply-adds: what papers print as FLOPs."""
    flops: int | None
    """Floating-point operations, ``2 * macs``."""
    default_weights: str | None
    description: str


def model_rows(family: str | None = None, text: str | None = None) -> list[ModelRow]:
    """Return a row for every registered model, filtered as ``list_specs`` does.

    Raises:
        ModelZooError: for a family that no registered model has.
    """
    rows = []
    for spec in list_specs(family, text):
        parameters, macs = spec.counts or (None, None)
        rows.append(
            ModelRow(
                name=spec.name,
                family=spec.family,
                patch=spec.patch,
                image_size=spec.image_size,
                parameters=parameters,
                macs=macs,
                flops=None if macs is None else 2 * macs,
                default_weights=spec.default_weights,
                description=spec.description,
            )
        )
    return rows
