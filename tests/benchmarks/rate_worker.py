"""One contender of the training benchmark, in its own process: a line on standard input, two steps, the second's time.

python rate_worker.py harness|plain MODEL PRECISION PIXELS
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

from bench.study.train import TrainSpec
from bench.training.cpu_kernels import use_fast_gradients
from bench.training.inputs.batches import PixelBatches
from bench.training.inputs.mixup import unmixed
from bench.training.inputs.pixel_file import PixelFile
from bench.training.step import Step
from models_zoo.networks.builder import build

CPU = torch.device("cpu")


def harness(name: str, precision: str, pixels: Path) -> Callable[[], None]:
    """One step as the loop makes it, from the pixel file on."""
    file = PixelFile(pixels)
    count, side = file.shape[0], file.shape[1]
    built = build(name, num_classes=8, image_size=side)
    module, cnn = built.module, built.spec.family == "cnn"
    if cnn:
        module.to(memory_format=torch.channels_last)
    use_fast_gradients(module, CPU, precision)
    rows, labels = np.arange(count), np.arange(count) % 8
    batches = PixelBatches(file, rows, labels, mean=built.mean, std=built.std, device=CPU, channels_last=cnn)
    step = Step(module.train(), TrainSpec(), CPU, precision, None)

    def once() -> None:
        for inputs, wanted in batches([rows], epoch=1):
            step.accumulate(unmixed(inputs, wanted), 1.0)[0].item()
            step.apply_gradients(1e-4)

    return once


def plain(name: str, _: str, pixels: Path) -> Callable[[], None]:
    """One step of the reference script; its images are decoded already, which is in its favor."""
    count, side = np.load(pixels, mmap_mode="r").shape[:2]
    model = timm.create_model(name, num_classes=8).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images, labels = torch.randn(count, 3, side, side), torch.arange(count) % 8

    def once() -> None:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()

    return once


def main() -> None:
    """Serve until standard input ends."""
    loop, name, precision, pixels = sys.argv[1:]
    once = {"harness": harness, "plain": plain}[loop](name, precision, Path(pixels))
    for _ in sys.stdin:
        once()  # as in an epoch, where a step follows the one before at once and finds its memory still there
        started = time.perf_counter()
        once()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
