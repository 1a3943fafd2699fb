"""Inputs for the loop: pixels read from the cache's file, or features that a frozen backbone has left."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bench.training.inputs.augment import AugmentKind, augment
from bench.training.inputs.pixel_file import PixelFile
from bench.training.inputs.random_streams import generator

__all__ = ["Batches", "FeatureBatches", "PixelBatches", "make_batches", "split_microbatches"]


class Batches(Protocol):
    """What the loop needs: labels, and the inputs of any images in any order."""

    labels: np.ndarray
    """True class indices, (n,) int64."""

    def __call__(self, chunks: Iterable[np.ndarray], epoch: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs, labels) on the device for each chunk of positions.

        epoch: the number of a training epoch, from 1, where images are augmented; None: as they are.
        """
        ...


def make_batches(order: np.ndarray, batch_size: int, *, training: bool) -> list[np.ndarray]:
    """Split positions into batches. In training, one image left over joins the batch before it.

    Batch normalization cannot work on a single image, and dropping it would hide it from the model.
    """
    ends = list(range(batch_size, len(order), batch_size))
    if training and ends and len(order) - ends[-1] == 1:
        ends.pop()
    return np.split(order, ends)


def split_microbatches(batch: np.ndarray, micro_batch: int | None) -> list[np.ndarray]:
    """Split a batch into the fewest micro-batches of at most ``micro_batch`` positions, of about equal length."""
    if micro_batch is None or len(batch) <= micro_batch:
        return [batch]
    return np.array_split(batch, -(-len(batch) // micro_batch))


class PixelBatches:
    """Images as normalized float tensors, (b, 3, size, size)."""

    def __init__(
        self,
        pixels: PixelFile,
        rows: np.ndarray,
        labels: np.ndarray,
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        device: torch.device,
        augmentation: AugmentKind = "none",
        seed: int = 0,
        channels_last: bool = False,
        workers: int = 0,
    ) -> None:
        self.labels = labels
        self._pixels = pixels
        self._rows = rows
        self._device = device
        self._augmentation = augmentation
        self._seed = seed
        self._workers = workers
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._scale = (1 / (255 * torch.tensor(std))).view(1, 3, 1, 1).to(device)
        self._shift = (-torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1).to(device)

    def __call__(self, chunks: Iterable[np.ndarray], epoch: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Batches`. Each chunk is augmented by draws of its own, whichever thread reads it."""
        if self._workers == 0:
            for number, positions in enumerate(chunks):
                yield self._normalized(self._read(positions, epoch, number), positions)
            return
        with ThreadPoolExecutor(self._workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            waiting: deque[tuple[Future[Tensor], np.ndarray]] = deque()
            numbers, upcoming = count(), iter(chunks)
            try:
                while True:
                    for positions in islice(upcoming, self._workers + 1 - len(waiting)):
                        waiting.append((pool.submit(self._read, positions, epoch, next(numbers)), positions))
                    if not waiting:
                        return
                    future, positions = waiting.popleft()
                    yield self._normalized(future.result(), positions)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, positions: np.ndarray, epoch: int | None, number: int) -> Tensor:
        """Images of a chunk, augmented in training, (b, 3, size, size) uint8 in memory that the device can fetch."""
        images = torch.from_numpy(self._pixels.rows(self._rows[positions])).permute(0, 3, 1, 2)
        if epoch is not None and self._augmentation != "none":
            images = augment(images, self._augmentation, generator(self._seed, "augment", epoch, number))
        return images.pin_memory() if self._device.type == "cuda" else images

    def _normalized(self, images: Tensor, positions: np.ndarray) -> tuple[Tensor, Tensor]:
        moved = images.to(self._device, non_blocking=True)  # as bytes: a quarter of what floats would take
        inputs = moved.to(torch.float32, memory_format=self._format)
        if self._format == torch.channels_last:
            # A row of pixels at once: with three colors as the innermost dimension, arithmetic is four times as slow.
            count, _, height, width = inputs.shape
            rows = inputs.permute(0, 2, 3, 1).view(count, height, 3 * width)
            rows.mul_(self._scale.flatten().repeat(width)).add_(self._shift.flatten().repeat(width))
        else:
            inputs.mul_(self._scale).add_(self._shift)
        return inputs, torch.from_numpy(self.labels[positions]).to(self._device, non_blocking=True)


class FeatureBatches:
    """Features of a frozen backbone: (views, n, width) float32, on the device or, where they are many, in a file."""

    def __init__(self, features: Tensor, labels: np.ndarray, device: torch.device) -> None:
        self.labels = labels
        self.features = features
        self._device = device
        self._targets = torch.from_numpy(labels).to(device)

    def __call__(self, chunks: Iterable[np.ndarray], epoch: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Batches`. The epochs take turns with the views of the images."""
        view = self.features[0 if epoch is None else (epoch - 1) % len(self.features)]
        for positions in chunks:
            index = torch.from_numpy(positions)
            yield view[index.to(view.device)].to(self._device), self._targets[index.to(self._device)]
