"""Passes before anything is timed, so that one-time costs fall into no epoch: buffers, kernels, compilation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from bench.measure.sampling import warm_up_until_steady
from bench.study.train import TrainSpec
from bench.training.device import synchronize
from bench.training.inputs.batches import PixelBatches, make_batches, split_microbatches
from bench.training.optim.optimizer import autocast

__all__ = ["WarmUp", "warm_up"]


_SECONDS = 2.0
"""For the passes after the first, once everything is compiled; a pass that has begun is finished."""
_TOLERANCE = 0.1


@dataclass(frozen=True)
class WarmUp:
    """What a warm-up took, in seconds."""

    compiling: float
    """What the first passes took longer than those after them; 0 where nothing is compiled."""
    passes: tuple[float, ...]
    """Every pass with the usual batch."""
    steady: bool
    """Whether the last three took as long as the three before them, within a tenth."""


def warm_up(
    module: nn.Module,
    train: PixelBatches,
    spec: TrainSpec,
    *,
    device: torch.device,
    precision: str,
    learns: bool,
    inference_batch: int,
    compiled: Callable[[], None],
) -> WarmUp:
    """Pass a batch forward, and backward where the module learns, until that takes a steady time or two seconds.

    A compiled module first goes through two rounds with the sizes of all batches to come, for it compiles anew for a
    size that it has not seen; ``compiled`` is called between them.
    Nothing is left behind: batch statistics and the random state are put back, and no step is made.
    """
    kept = {name: value.clone() for name, value in module.named_buffers()}
    compiling = 0.0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if spec.compile:
            sizes = _sizes(len(train.labels), spec, inference_batch, learns)
            first = _round(module, train, sizes, device, precision)
            compiled()
            compiling = max(0.0, first - _round(module, train, sizes, device, precision))
        usual = _usual(train, spec, inference_batch, learns)
        passes, steady = warm_up_until_steady(
            lambda: _round(module, train, usual, device, precision), seconds=_SECONDS, tolerance=_TOLERANCE
        )
    module.zero_grad(set_to_none=True)
    with torch.no_grad():
        for name, value in module.named_buffers():
            value.copy_(kept[name])
    return WarmUp(compiling, passes, steady)


def _usual(train: PixelBatches, spec: TrainSpec, inference_batch: int, learns: bool) -> list[tuple[int, bool]]:
    """The size of most batches."""
    size = spec.micro_batch or spec.step_images if learns else inference_batch
    return [(min(size, len(train.labels)), learns)]


def _sizes(count: int, spec: TrainSpec, inference_batch: int, learns: bool) -> list[tuple[int, bool]]:
    """Sizes of all batches to come, each with whether it is for learning, the commonest first."""
    found: dict[tuple[int, bool], None] = {}
    if learns:
        for batch in make_batches(np.arange(count), spec.step_images, training=True):
            found.update({(len(part), True): None for part in split_microbatches(batch, spec.micro_batch)})
    found.update(
        {(len(chunk), False): None for chunk in make_batches(np.arange(count), inference_batch, training=False)}
    )
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
