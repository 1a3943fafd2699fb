"""The largest batch of one cell, found in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import nn

from bench.training.device import resolve_device
from bench.training.optim.batch_size_probe import MEMORY_SHARE, Probe
from bench.training.optim.optimizer import autocast, make_optimizer
from models_zoo.complexity import measure_activations, training_bytes, working_bytes
from models_zoo.networks.builder import build
from models_zoo.networks.classifier import Classifier, freeze_backbone

__all__ = ["largest_batch", "main"]


def largest_batch(probe: Probe, limit_bytes: int) -> int:
    """The largest power of two, up to the probe's highest, whose step fits in ``limit_bytes``; 0 where none does."""
    cell = probe.cell
    device = resolve_device(cell.device, cell.precision)
    entry = cell.model
    module = build(
        entry.name,
        num_classes=probe.classes,
        image_size=entry.image_size or 0,
        weights=probe.weights,
        feature_blocks=entry.feature_blocks,
        pooling=entry.pooling,
    ).module
    if cell.regime == "frozen":
        freeze_backbone(module)
    sizes = [2**power for power in range(probe.highest.bit_length())]
    if device.type == "cpu":
        fixed, per_image = _count(module, probe)
        return max((size for size in sizes if fixed + per_image * size <= limit_bytes), default=0)
    module.to(device)
    largest = 0
    for size in sizes:
        if not _fits(module, probe, size, device):
            break
        largest = size
    return largest


def _count(module: Classifier, probe: Probe) -> tuple[int, int]:
    """Bytes of a step on a CPU: those that are there with any batch, and those of each image."""
    cell, side = probe.cell, probe.cell.model.image_size or 0
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    total, trained = sum(n for n, _ in sizes), sum(n for n, learns in sizes if learns)
    kept = measure_activations(module, side, cell.precision)
    passing = 2 * working_bytes(module, side, cell.precision) + 3 * side * side * 4
    if cell.train.micro_batch is not None:  # what passes through the model does not grow with the batch
        return training_bytes(total, trained, kept, cell.train.micro_batch, cell.train.optimizer), 0
    return training_bytes(total, trained, kept, 0, cell.train.optimizer), kept.per_image + passing


def _fits(module: nn.Module, probe: Probe, size: int, device: torch.device) -> bool:
    """Make a step with a batch of this size and see."""
    cell = probe.cell
    side, passed = cell.model.image_size or 0, min(size, cell.train.micro_batch or size)
    optimizer = make_optimizer(module, cell.train)
    try:
        module.train()
        images = torch.zeros(passed, 3, side, side, device=device)
        with autocast(device, "fp32" if cell.regime == "frozen" else cell.precision):
            logits = module(images)
        nn.functional.cross_entropy(logits.float(), torch.zeros(passed, dtype=torch.long, device=device)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    except torch.OutOfMemoryError:
        return False
    finally:
        optimizer.zero_grad(set_to_none=True)
        getattr(torch, device.type).empty_cache()
    return True


def main(arguments: list[str]) -> int:
    """Read a probe from a file, or from the standard input for ``-``, and print the answer."""
    from bench.errors import DeviceError
    from bench.training.optim import batch_size_worker as batch_probe

    text = sys.stdin.read() if arguments == ["-"] else Path(arguments[0]).read_text(encoding="utf-8")
    probe = Probe.model_validate_json(text)
    try:
        largest: int | None = batch_probe.largest_batch(probe, int(probe.limit_bytes * MEMORY_SHARE))
    except DeviceError:
        largest = None
    print(json.dumps({"largest": largest}))
    return 0
