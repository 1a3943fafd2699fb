"""Patch projections in bf16 on a CPU: the gradient of their weights by a matrix product.

A convolution whose stride is its kernel cuts an image into patches and multiplies each by the weights. oneDNN's
gradient of such weights in bf16 takes half a second for a ViT-B/32 and 32 images, a quarter of the step; as the matrix
product that it is it takes a hundredth of that. The forward pass is the same to the bit, the gradients within rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["speed_up_patches"]


def speed_up_patches(module: nn.Module, device: torch.device, precision: str) -> int:
    """Exchange the patch projections of a module that is to train in bf16 on a CPU; returns how many."""
    if device.type != "cpu" or precision != "bf16":
        return 0
    found = 0
    for layer in module.modules():
        if type(layer) is nn.Conv2d and _cuts_patches(layer):
            layer.__class__ = _Patches
            found += 1
    return found


def _cuts_patches(layer: nn.Conv2d) -> bool:
    if layer.kernel_size != layer.stride or max(layer.kernel_size) == 1 or layer.groups > 1:
        return False
    return layer.padding in ((0, 0), "valid") and layer.dilation == (1, 1)


class _Patches(nn.Conv2d):
    """`nn.Conv2d` with a fast gradient under autocast, and unchanged without."""

    def forward(self, images: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(images)
        out: Tensor = _Projection.apply(images, self.weight, self.bias)
        return out


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        images, half = images.to(torch.bfloat16), weight.to(torch.bfloat16)
        ctx.save_for_backward(images, weight)
        ctx.bias = None if bias is None else bias.dtype
        return nn.functional.conv2d(images, half, None if bias is None else bias.to(half.dtype), weight.shape[2:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        gradient, needed = gradients[0].to(torch.bfloat16), ctx.needs_input_grad
        of_images = _of_images(gradient, weight, images) if needed[0] else None
        of_weight = _of_weight(gradient, weight, images) if needed[1] else None
        of_bias = gradient.sum((0, 2, 3), dtype=torch.float32).to(ctx.bias) if needed[2] else None
        return of_images, of_weight, of_bias


def _of_weight(gradient: Tensor, weight: Tensor, images: Tensor) -> Tensor:
    """The sum over all patches of gradient times patch; pixels beyond the last whole patch have no part in it."""
    (high, wide), (rows, columns) = weight.shape[2:], gradient.shape[2:]
    whole = images[:, :, : rows * high, : columns * wide].permute(0, 2, 3, 1)
    cut = whole.reshape(len(images), rows, high, columns, wide, -1).permute(0, 1, 3, 5, 2, 4)
    found = gradient.permute(1, 0, 2, 3).flatten(1) @ cut.reshape(-1, weight[0].numel())
    return found.view_as(weight).to(weight.dtype)


def _of_images(gradient: Tensor, weight: Tensor, images: Tensor) -> Tensor:
    half, stride = weight.to(torch.bfloat16), weight.shape[2:]
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        gradient, images, half, None, stride, (0, 0), (1, 1), False, (0, 0), 1, (True, False, False)
    )
    return found[0]
