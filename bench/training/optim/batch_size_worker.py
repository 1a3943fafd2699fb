"""The largest batch of one cell, found in a process of its own."""

from __future__ import annotations

import torch
from torch import nn

from bench.errors import DeviceError, ModelError
from bench.training.device import resolve_device
from bench.training.optim.batch_size_probe import MEMORY_SHARE, Probe
from bench.training.optim.optimizer import autocast, make_optimizer
from models_zoo.complexity import measure_activations, training_bytes, working_bytes
from models_zoo.errors import ModelZooError
from models_zoo.networks.builder import build
from models_zoo.networks.classifier import Classifier, freeze_backbone

__all__ = ["find_largest", "largest_batch"]


def find_largest(probe: str) -> int | None:
    """Return the largest batch for a `Probe` in JSON: 0 where no image fits, None where its device is not here.

    Raises `ModelError` where the model cannot be built.
    """
    asked = Probe.model_validate_json(probe)
    try:
        return largest_batch(asked, int(asked.limit_bytes * MEMORY_SHARE))
    except DeviceError:
        return None
    except ModelZooError as error:
        raise ModelError(str(error)) from error


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
    cell, size = probe.cell, probe.cell.model.image_size or 0
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    total, trained = sum(n for n, _ in sizes), sum(n for n, learns in sizes if learns)
    kept = measure_activations(module, size, cell.precision)
    passing = 2 * working_bytes(module, size, cell.precision) + 3 * size * size * 4
    if cell.train.micro_batch is not None:  # what passes through the model does not grow with the batch
        return training_bytes(total, trained, kept, cell.train.micro_batch, cell.train.optimizer), 0
    return training_bytes(total, trained, kept, 0, cell.train.optimizer), kept.per_image + passing


def _fits(module: nn.Module, probe: Probe, batch: int, device: torch.device) -> bool:
    """Make a step with a batch of this size and see."""
    cell = probe.cell
    size, passed = cell.model.image_size or 0, min(batch, cell.train.micro_batch or batch)
    optimizer = make_optimizer(module, cell.train)
    try:
        module.train()
        images = torch.zeros(passed, 3, size, size, device=device)
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
