"""The types of what the tests of training are given, for their signatures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.training.inputs.batches import PixelBatches
from bench.training.inputs.pixel_file import PixelFile
from models_zoo.networks.builder import BuiltModel

MakeModel = Callable[..., BuiltModel]
"""Builds a real model by its name, with random weights for the images."""


@dataclass(frozen=True)
class Images:
    """Images of three kinds: noise, brighter in a channel of their own."""

    path: Path
    pixels: np.ndarray
    labels: np.ndarray

    def batches(self, start: int, stop: int, **settings: Any) -> PixelBatches:
        rows = np.arange(start, stop)
        given = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25), "device": torch.device("cpu"), **settings}
        return PixelBatches(PixelFile(self.path), rows, self.labels[rows], **given)
