"""Optimizer, learning-rate schedule and precision, from a study's train settings."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from bench.study.train import TrainSpec
from bench.training.optim.layer_decay import layers_of

__all__ = ["autocast", "grad_scaler", "learning_rate", "make_optimizer", "set_rate"]


def make_optimizer(module: nn.Module, spec: TrainSpec) -> torch.optim.Optimizer:
    """Return the optimizer over what the module has to learn; biases and normalization weights do not decay.

    Each group holds under ``scale`` its share of the study's learning rate, see `set_rate`.
    """
    depth = layers_of(module)
    head = max(depth.values())
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decay = spec.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((_scale(depth[name], head, spec), decay), []).append(parameter)
    settings = [{"params": found, "weight_decay": wd, "scale": scale} for (scale, wd), found in groups.items()]
    if spec.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=spec.lr, momentum=spec.momentum, nesterov=spec.momentum > 0)
    fused = next(iter(groups.values()))[0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(settings, lr=spec.lr, fused=fused)


def _scale(layer: int, head: int, spec: TrainSpec) -> float:
    if layer == head and spec.head_lr is not None:
        return spec.head_lr / spec.lr
    return 1.0 if spec.layer_decay is None else spec.layer_decay ** (head - layer)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group its share of a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


def learning_rate(step: int, steps_per_epoch: int, spec: TrainSpec) -> float:
    """Return the rate of a step (from 0): a linear warm-up, then constant or half a cosine down to 0.

    Cosine annealing: Loshchilov & Hutter 2017 (SGDR), without restarts.
    """
    total = steps_per_epoch * spec.epochs
    warmup = min(round(spec.warmup_epochs * steps_per_epoch), total // 2)
    if step < warmup:
        return spec.lr * (step + 1) / warmup
    if spec.schedule == "constant":
        return spec.lr
    progress = (step - warmup) / max(1, total - warmup)
    return spec.lr * 0.5 * (1 + math.cos(math.pi * progress))


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which a forward pass has the precision, on a device that `resolve_device` gave for it."""
    if precision == "fp32":
        return nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=dtype)


def grad_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Return the loss scaler that fp16 needs; for other precisions it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
