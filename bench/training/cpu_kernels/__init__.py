"""The gradients of torch's kernels that are slow in bf16 on a CPU, exchanged for fast ones before training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bench.training.cpu_kernels.attention import has_fast_attention
from bench.training.cpu_kernels.depthwise import speed_up_depthwise
from bench.training.cpu_kernels.patch_embed import speed_up_patches

__all__ = ["use_fast_gradients"]


def use_fast_gradients(module: nn.Module, device: torch.device, precision: str) -> dict[str, Any]:
    """Exchange layers of a module that is to learn; returns how many of each kind, for the record.

    Attention has no layer of its own to exchange: `Step` learns by `fast_attention`.
    """
    return {
        "depthwise_exchanged": speed_up_depthwise(module, device, precision),
        "patches_exchanged": speed_up_patches(module, device, precision),
        "fast_attention": has_fast_attention(device, precision),
    }
