"""The gradients of torch's kernels that are slow in bf16 on a CPU, exchanged for fast ones before training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from bench.training.cpu_kernels.attention import speed_up_attention
from bench.training.cpu_kernels.depthwise import speed_up_depthwise
from bench.training.cpu_kernels.patch_embed import speed_up_patches

__all__ = ["KernelCounts", "use_fast_gradients"]


@dataclass(frozen=True, slots=True)
class KernelCounts:
    """How many layers of a module were exchanged; all 0 but in bf16 on a CPU."""

    depthwise: int
    """Depthwise convolutions."""
    patches: int
    """Patch projections."""
    attention: int
    """Attention layers."""


def use_fast_gradients(module: nn.Module, device: torch.device, precision: str) -> KernelCounts:
    """Exchange the layers of a module that is to train, in place; forward passes stay the same to the bit."""
    return KernelCounts(
        depthwise=speed_up_depthwise(module, device, precision),
        patches=speed_up_patches(module, device, precision),
        attention=speed_up_attention(module, device, precision),
    )
