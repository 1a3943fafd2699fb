"""Small images on disk, as a cell finds them, and a context to train them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.training.inputs.batches import PixelBatches, PixelFile
from bench.training.loop import TrainContext
from models_zoo.networks.builder import BuiltModel, build

CLASSES, SIDE = 3, 32


@dataclass(frozen=True)
class Images:
    """Images of three kinds: noise, brighter in a channel of their own."""

    path: Path
    pixels: np.ndarray
    labels: np.ndarray

    def batches(self, start: int, stop: int, **settings: object) -> PixelBatches:
        rows = np.arange(start, stop)
        given = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25), "device": torch.device("cpu"), **settings}
        return PixelBatches(PixelFile(self.path), rows, self.labels[rows], **given)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    draw = np.random.default_rng(0)
    labels = draw.permutation(np.arange(96) % CLASSES)
    pixels = draw.integers(0, 200, size=(96, SIDE, SIDE, 3), dtype=np.uint8)
    for channel in range(3):
        pixels[labels == channel, ..., channel] += 40
    path = tmp_path_factory.mktemp("pixels") / "pixels.npy"
    np.save(path, pixels)
    return Images(path, pixels, labels.astype(np.int64))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def context() -> TrainContext:
    return TrainContext(CLASSES, torch.device("cpu"), "fp32", 0, 32)


@pytest.fixture
def small() -> Callable[..., BuiltModel]:
    """Builds a real model with random weights for the images."""
    return partial(build, num_classes=CLASSES, image_size=SIDE)


@pytest.fixture(params=["vit_tiny_p16", "resnet18"])
def model(request: pytest.FixtureRequest) -> BuiltModel:
    """A transformer and a convolutional network."""
    return build(request.param, num_classes=CLASSES, image_size=SIDE)
