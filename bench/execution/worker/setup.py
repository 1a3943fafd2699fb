"""A cell's model, data and device, made ready."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np
import torch
import torchvision

from bench.data.pixels.cache import noted_checksum
from bench.execution.messages.job import Job
from bench.measure.system.cpus import Threads
from bench.results.dataset import DatasetManifest
from bench.results.settings import CellContext, CellSettings
from bench.training import device as devices
from bench.training.cpu_kernels import KernelCounts, use_fast_gradients
from bench.training.inputs.batches import PixelBatches
from bench.training.inputs.pixel_file import PixelFile
from bench.training.regimes import freeze
from models_zoo.networks.builder import BuiltModel, build

__all__ = ["Clock", "Data", "Machine", "Ready", "make_ready", "open_machine", "read_data"]


class Clock:
    """Seconds of a phase after the other, the device synchronized at both ends."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last call, the first time since the clock was made."""
        devices.synchronize(self._device)
        now = time.perf_counter()
        seconds, self._start = now - self._start, now
        return seconds


@dataclass(frozen=True)
class Machine:
    """The device and the threads of a cell."""

    device: torch.device
    threads: int
    context: CellContext


@dataclass(frozen=True)
class Data:
    """The images of a study."""

    pixels: PixelFile
    labels: np.ndarray
    """Of each image, (n,) int64."""
    splits: np.ndarray
    """``train``, ``validation`` or ``test`` of each image, (n,)."""
    classes: int


@dataclass(frozen=True)
class Ready:
    """A cell's model and data, ready to be trained."""

    job: Job
    built: BuiltModel
    kernels: KernelCounts | None
    """Layers whose gradients were exchanged for faster ones; None where the backbone learns nothing."""
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

    @property
    def settings(self) -> CellSettings:
        """How the cell is run where the study left it open."""
        spec, kernels = self.job.cell.train, self.kernels or KernelCounts(0, 0, 0)
        return CellSettings(
            batch_size=spec.step_images,
            micro_batch=spec.micro_batch,
            inference_batch=self.inference_batch,
            memory_format="channels_last" if _is_cnn(self.built) else "contiguous",
            compiled=spec.compile,
            workers=self.workers,
            depthwise_kernels=kernels.depthwise,
            patch_kernels=kernels.patches,
            attention_kernels=kernels.attention,
        )


def open_machine(job: Job, threads: Threads) -> Machine:
    """Open the device of a cell and make its results deterministic. Raises `DeviceError` when it is not here."""
    import timm

    torch.set_num_threads(threads.count)
    device = devices.resolve_device(job.cell.device, job.cell.precision)
    context = CellContext(
        device_name=devices.describe(device),
        threads=threads.count,
        threads_by=threads.by,
        determinism=devices.set_deterministic(job.cell.seed),
        glibc_tunables=os.environ.get("GLIBC_TUNABLES"),
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        timm=timm.__version__,
    )
    devices.reset_peak(device)
    return Machine(device, threads.count, context)


def read_data(job: Job) -> Data:
    """Open the pixel cache, which must be as it was built, and read labels and split."""
    manifest = DatasetManifest.from_json(job.dataset.read_text(encoding="utf-8"))
    labels, splits = np.array(manifest.labels, np.int64), np.array(manifest.splits)
    return Data(PixelFile(job.pixels, noted_checksum(job.pixels)), labels, splits, len(manifest.classes))


def make_ready(job: Job, machine: Machine, data: Data) -> Ready:
    """Build the model, freeze what the regime freezes, and lay out the batches of each split."""
    cell, spec, device = job.cell, job.cell.train, machine.device
    built = _build_model(job, data.classes, device)
    freeze(cell, built.module)
    kernels = None if cell.regime == "frozen" else use_fast_gradients(built.module, device, cell.precision)
    workers = devices.workers_for(device, machine.threads, spec.workers)

    def batches(split: str) -> PixelBatches:
        rows = np.flatnonzero(data.splits == split)
        return PixelBatches(
            data.pixels,
            rows,
            data.labels[rows],
            mean=built.mean,
            std=built.std,
            device=device,
            augmentation=spec.augment,
            seed=cell.seed,
            channels_last=_is_cnn(built),
            workers=workers,
        )

    return Ready(
        job=job,
        built=built,
        kernels=kernels,
        device=device,
        threads=machine.threads,
        workers=workers,
        inference_batch=devices.inference_batch_for(device, spec, cell.model.image_size or 224),
        classes=data.classes,
        train=batches("train"),
        validation=batches("validation"),
        test=batches("test"),
    )


def _build_model(job: Job, classes: int, device: torch.device) -> BuiltModel:
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
