"""Whether a model can learn from one image at a time, tried in a process of its own."""

from __future__ import annotations

import torch

from bench.errors import ModelError
from bench.study.schema import Cell
from bench.training.regimes import freeze
from models_zoo.errors import ModelZooError
from models_zoo.networks.builder import build

__all__ = ["learns_from_one"]


def learns_from_one(cell: str, classes: int) -> bool:
    """Pass one image through the model of a `Cell` in JSON, in training. Raises `ModelError` where it is not built."""
    asked = Cell.model_validate_json(cell)
    entry = asked.model
    size = entry.image_size or 0
    try:
        module = build(
            entry.name,
            num_classes=classes,
            image_size=size,
            weights="none",
            feature_blocks=entry.feature_blocks,
            pooling=entry.pooling,
        ).module
    except ModelZooError as error:
        raise ModelError(str(error)) from error
    freeze(asked, module)
    module.train()
    try:
        with torch.no_grad():
            module(torch.zeros(1, 3, size, size))
    except ValueError as error:
        if "more than 1 value per channel" in str(error):  # of torch
            return False
        raise
    return True
