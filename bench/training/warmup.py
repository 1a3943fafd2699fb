"""Passes before anything is timed, so that one-time costs fall into no epoch: buffers, kernels, compilation."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn

from bench.training.batches import PixelBatches, cut, pieces
from bench.training.device import synchronize
from bench.training.optimisation import autocast
from bench.training.spec import TrainSpec

__all__ = ["warm_up"]


def warm_up(
    module: nn.Module,
    train: PixelBatches,
    spec: TrainSpec,
    *,
    device: torch.device,
    precision: str,
    learns: bool,
    inference_batch: int,
) -> float:
    """Pass a batch forward, and backward where the module learns, and return the seconds that compiling took.

    A compiled module goes through a second round with the sizes of the last batches, for it compiles anew for a size
    that it has not seen; what the first passes take longer than those after them counts as compiling.
    Nothing is left behind: batch statistics and the random state are put back, and no step is made.
    """
    kept = {name: value.clone() for name, value in module.named_buffers()}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        sizes = _sizes(len(train.labels), spec, inference_batch, learns) if spec.compile else None
        first = _round(module, train, sizes or _usual(train, spec, inference_batch, learns), device, precision)
        again = _round(module, train, sizes, device, precision) if sizes else first
    module.zero_grad(set_to_none=True)
    with torch.no_grad():
        for name, value in module.named_buffers():
            value.copy_(kept[name])
    return max(0.0, first - again)


def _usual(train: PixelBatches, spec: TrainSpec, inference_batch: int, learns: bool) -> list[tuple[int, bool]]:
    """One size is enough without compilation."""
    size = spec.micro_batch or spec.step_images if learns else inference_batch
    return [(min(size, len(train.labels)), learns)]


def _sizes(count: int, spec: TrainSpec, inference_batch: int, learns: bool) -> list[tuple[int, bool]]:
    """Sizes of all batches to come, each with whether it is for learning, the commonest first."""
    found: dict[tuple[int, bool], None] = {}
    if learns:
        for batch in cut(np.arange(count), spec.step_images, training=True):
            found.update({(len(piece), True): None for piece in pieces(batch, spec.micro_batch)})
    found.update({(len(chunk), False): None for chunk in cut(np.arange(count), inference_batch, training=False)})
    return list(found)


def _round(
    module: nn.Module, train: PixelBatches, sizes: list[tuple[int, bool]], device: torch.device, precision: str
) -> float:
    """Seconds of one pass with each size."""
    synchronize(device)
    started = time.perf_counter()
    for size, learns in sizes:
        module.train(learns)
        inputs, labels = next(train([np.arange(size)]))
        with torch.set_grad_enabled(learns), autocast(device, precision):
            loss = nn.functional.cross_entropy(module(inputs).float(), labels)
        if learns:
            loss.backward()  # type: ignore[no-untyped-call]
            module.zero_grad(set_to_none=True)
    synchronize(device)
    return time.perf_counter() - started
