"""Small images on disk, as a cell finds them, and a context to train them in."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from bench.training.loop import TrainContext
from models_zoo.networks.builder import BuiltModel, build
from tests.bench.training.fixtures import Images, MakeModel

CLASSES, SIDE = 3, 32


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
def small() -> MakeModel:
    """Builds a real model with random weights for the images."""
    return partial(build, num_classes=CLASSES, image_size=SIDE)


@pytest.fixture(params=["timm:test_vit", "timm:test_resnet"], ids=["vit", "cnn"])
def model(request: pytest.FixtureRequest) -> BuiltModel:
    """A transformer and a convolutional network, the smallest of timm: a step takes a tenth of what ResNet-18 takes."""
    return build(request.param, num_classes=CLASSES, image_size=SIDE)
