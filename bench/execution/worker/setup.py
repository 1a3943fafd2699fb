"""A cell's model, data and device, made ready."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torchvision

from bench.execution.messages.job import Job
from bench.training import device as devices
from bench.training.inputs.batches import PixelBatches, PixelFile
from models_zoo.networks.builder import BuiltModel, build

__all__ = ["Clock", "Ready", "build_model", "cell_context", "make_ready", "memory_format"]


@dataclass(frozen=True)
class Ready:
    """A cell's model and data, ready to be trained."""

    job: Job
    built: BuiltModel
    device: torch.device
    threads: int
    workers: int
    inference_batch: int
    classes: int
    train: PixelBatches
    validation: PixelBatches
    test: PixelBatches

    @property
    def precision(self) -> str:
        """Of the passes through the model; a frozen backbone has been given its own."""
        return "fp32" if self.job.cell.regime == "frozen" else self.job.cell.precision


def make_ready(
    job: Job,
    built: BuiltModel,
    device: torch.device,
    threads: int,
    data: tuple[PixelFile, np.ndarray, np.ndarray],
    classes: int,
) -> Ready:
    """data: the pixels, and the label and the split of each image."""
    cell, spec = job.cell, job.cell.train
    pixels, labels, splits = data
    workers = devices.workers_for(device, threads, spec.workers)

    def batches(split: str) -> PixelBatches:
        rows = np.flatnonzero(splits == split)
        return PixelBatches(
            pixels,
            rows,
            labels[rows],
            mean=built.mean,
            std=built.std,
            device=device,
            augmentation=spec.augment,
            seed=cell.seed,
            channels_last=_is_cnn(built),
            workers=workers,
        )

    inference_batch = devices.inference_batch_for(device, spec, cell.model.image_size or 224)
    sides = batches("train"), batches("validation"), batches("test")
    return Ready(job, built, device, threads, workers, inference_batch, classes, *sides)


def build_model(job: Job, classes: int, device: torch.device) -> BuiltModel:
    entry = job.cell.model
    built = build(
        entry.name,
        num_classes=classes,
        image_size=entry.image_size or 0,
        weights=job.weights,
        feature_blocks=entry.feature_blocks,
        pooling=entry.pooling,
        seed=job.cell.seed,
    )
    if _is_cnn(built):
        built.module.to(memory_format=torch.channels_last)
    built.module.to(device)
    return built


def _is_cnn(built: BuiltModel) -> bool:
    return built.spec.family == "cnn"


def memory_format(built: BuiltModel) -> str:
    return "channels_last" if _is_cnn(built) else "contiguous"


def cell_context(device: torch.device, threads: int, determinism: dict[str, object]) -> dict[str, Any]:
    import timm

    return {
        "device_name": devices.describe(device),
        "threads": threads,
        "determinism": determinism,
        "glibc_tunables": os.environ.get("GLIBC_TUNABLES"),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": timm.__version__,
    }


class Clock:
    """Puts the seconds of a phase into the outcome, the device synchronized at both ends."""

    def __init__(self, timings: dict[str, Any], device: torch.device) -> None:
        self._timings = timings
        self._device = device
        self._start = time.perf_counter()

    def stop(self, name: str) -> None:
        devices.synchronize(self._device)
        now = time.perf_counter()
        self._timings[name] = now - self._start
        self._start = now
