"""Depthwise convolutions in bf16 on a CPU: their gradients by other kernels, which are many times as fast.

oneDNN has no fast kernels for the gradient of the images of a strided depthwise convolution in bf16, nor for that of
the weights of a 5 x 5 one: they take up to fifty times as long as the forward pass, and most of an epoch of an
EfficientNet. The forward pass is the same to the bit, and the gradients are within rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn

__all__ = ["speed_up_depthwise"]

Pair = tuple[int, int]


def speed_up_depthwise(module: nn.Module, device: torch.device, precision: str) -> int:
    """Exchange the depthwise convolutions of a module that is to train in bf16 on a CPU; returns how many."""
    if device.type != "cpu" or precision != "bf16":
        return 0
    found = 0
    for layer in module.modules():
        exchanged = _EXCHANGED.get(type(layer))
        if exchanged is not None and isinstance(layer, nn.Conv2d) and _is_depthwise(layer):
            layer.__class__ = exchanged
            found += 1
    return found


def _is_depthwise(layer: nn.Conv2d) -> bool:
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros" or layer.dilation != (1, 1):
        return False
    if any(pad >= side for pad, side in zip(layer.padding, layer.kernel_size, strict=True)):
        return False
    return 1 < layer.groups == layer.in_channels == layer.out_channels


class _Depthwise(nn.Conv2d):
    """`nn.Conv2d` with fast gradients under autocast, and unchanged without."""

    def forward(self, images: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(images)
        return _apply(self, images, self.padding)  # type: ignore[arg-type]


class _DepthwiseSame(Conv2dSame):
    """timm's convolution with TensorFlow's padding, with fast gradients under autocast, and unchanged without."""

    def forward(self, images: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu"):
            unchanged: Tensor = super().forward(images)  # type: ignore[no-untyped-call]
            return unchanged
        padded = pad_same(images, list(self.kernel_size), list(self.stride), list(self.dilation))
        return _apply(self, padded, (0, 0))


_EXCHANGED: dict[type, type] = {nn.Conv2d: _Depthwise, Conv2dSame: _DepthwiseSame}


def _apply(layer: nn.Conv2d, images: Tensor, padding: Pair) -> Tensor:
    out: Tensor = _Convolution.apply(images, layer.weight, layer.stride, padding)
    return out if layer.bias is None else out + layer.bias.to(out.dtype).view(1, -1, 1, 1)


class _Convolution(torch.autograd.Function):
    """A depthwise convolution in bf16 whose gradients take the kernels that are fast."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
        images = images.to(torch.bfloat16)
        ctx.save_for_backward(images, weight)
        ctx.settings = stride, padding
        return nn.functional.conv2d(images, weight.to(torch.bfloat16), None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        gradient, (stride, padding) = gradients[0].to(torch.bfloat16), ctx.settings
        of_images = _of_images(gradient, weight, images.shape, stride, padding) if ctx.needs_input_grad[0] else None
        of_weight = _of_weight(gradient, weight, images, stride, padding) if ctx.needs_input_grad[1] else None
        return of_images, of_weight, None, None


def _of_images(gradient: Tensor, weight: Tensor, shape: torch.Size, stride: Pair, padding: Pair) -> Tensor:
    """The gradient of the images: the convolution of the gradient with the mirrored weights.

    A strided convolution is one that leaves places out, so its gradient has zeros there.
    """
    kernel = weight.shape[2:]
    rows, columns = (shape[2 + i] - kernel[i] + 1 + 2 * padding[i] for i in range(2))
    if stride != (1, 1):
        spread = gradient.new_zeros((*shape[:2], rows, columns)).contiguous(memory_format=torch.channels_last)
        spread[:, :, :: stride[0], :: stride[1]] = gradient
        gradient = spread
    mirrored = weight.to(torch.bfloat16).flip(2, 3)
    margin = (kernel[0] - 1 - padding[0], kernel[1] - 1 - padding[1])
    return nn.functional.conv2d(gradient, mirrored, None, 1, margin, 1, len(weight))


def _of_weight(gradient: Tensor, weight: Tensor, images: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """The gradient of the weights, in fp32 where the kernel is larger than 3 x 3."""
    dtype = torch.bfloat16 if max(weight.shape[2:]) <= 3 else torch.float32
    found: tuple[Tensor | None, Tensor, Tensor | None] = torch.ops.aten.convolution_backward(
        gradient.to(dtype),
        images.to(dtype),
        weight.to(dtype),
        None,
        stride,
        padding,
        (1, 1),
        False,
        (0, 0),
        len(weight),
        (False, True, False),
    )
    return found[1].to(weight.dtype)
