"""Attention in bf16 on a CPU: its gradients by matrix products, which are many times as fast.

torch's fused attention has a backward pass in bf16 that uses no matrix instructions: for the 50 tokens of a ViT-B/32
it takes twenty times as long as its forward pass, and a fifth of a step. The forward pass is the same to the bit. As in
the fused one nothing of tokens x tokens is kept for the backward pass, which computes it again (Dao et al. 2022,
FlashAttention, without its tiles).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["fast_attention", "has_fast_attention"]

_PIECE = 2**25  # bytes of scores at once, over all heads of some images

_fused = functional.scaled_dot_product_attention


def has_fast_attention(device: torch.device, precision: str) -> bool:
    """Whether attention learns by matrix products here."""
    return device.type == "cpu" and precision == "bf16"


@contextmanager
def fast_attention(device: torch.device, precision: str) -> Iterator[None]:
    """Have models that call torch's attention within learn by the fast gradients, on a CPU in bf16."""
    if not has_fast_attention(device, precision):
        yield
        return
    functional.scaled_dot_product_attention = _attention
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = _fused


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """torch's function; with the fast gradients where nothing is masked, dropped or shared between heads."""
    plain = attn_mask is None and dropout_p == 0 and not is_causal and not enable_gqa
    alike = {one.dtype for one in (query, key, value)} == {torch.bfloat16} and query.ndim == 4
    learns = torch.is_grad_enabled() and (query.requires_grad or key.requires_grad or value.requires_grad)
    if plain and alike and learns and query.shape[:2] == key.shape[:2] == value.shape[:2]:
        out: Tensor = _Attention.apply(query, key, value, query.shape[-1] ** -0.5 if scale is None else scale)
        return out
    shared = {"enable_gqa": True} if enable_gqa else {}  # which older versions of torch do not know
    return _fused(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **shared)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(query, key, value)
        ctx.scale = scale
        return _fused(query, key, value, scale=scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        _, heads, tokens, _ = query.shape
        images = max(1, _PIECE // (2 * heads * tokens * key.shape[2]))
        pieces = zip(*(one.split(images) for one in (query, key, value, gradients[0])), strict=True)
        found = [_gradients(q, k, v, gradient, ctx.scale) for q, k, v, gradient in pieces]
        return *(torch.cat(parts) if len(parts) > 1 else parts[0] for parts in zip(*found, strict=True)), None


def _gradients(query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, scale: float) -> tuple[Tensor, ...]:
    """Of query, key and value: the chain rule through softmax(query key' scale) value."""
    scaled = query * scale
    weights = torch.softmax(scaled @ key.transpose(-2, -1), dim=-1)
    of_weights = gradient @ value.transpose(-2, -1)
    of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
    return (of_scores @ key) * scale, of_scores.transpose(-2, -1) @ scaled, weights.transpose(-2, -1) @ gradient
