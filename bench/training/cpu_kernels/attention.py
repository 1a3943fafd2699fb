"""Attention in bf16 on a CPU: its gradients by matrix products, which are many times as fast.

torch's fused attention has a backward pass in bf16 that uses no matrix instructions: for the 50 tokens of a ViT-B/32
it takes twenty times as long as its forward pass, and a fifth of a step. The forward pass is the same to the bit. As in
the fused one nothing of tokens x tokens is kept for the backward pass, which computes it again (Dao et al. 2022,
FlashAttention, without its tiles).

Only the attention layers of the module that trains are exchanged; torch's function stays what it is for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from timm.layers.attention import Attention, AttentionRope
from timm.models.eva import EvaAttention
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["attention", "speed_up_attention"]

_BYTES_AT_ONCE = 2**25  # of scores, over all heads of some images

_fused = functional.scaled_dot_product_attention


def speed_up_attention(module: nn.Module, device: torch.device, precision: str) -> int:
    """Exchange the attention layers of a module that is to train in bf16 on a CPU; returns how many."""
    if device.type != "cpu" or precision != "bf16":
        return 0
    found = 0
    for layer in module.modules():
        exchanged = _EXCHANGED.get(type(layer))
        if exchanged is not None and _is_plain(layer):
            layer.__class__ = exchanged
            found += 1
    return found


def _is_plain(layer: nn.Module) -> bool:
    """Whether the layer drops no weights and hands queries and keys of its values' type to torch's attention."""
    if isinstance(layer, nn.MultiheadAttention):
        own = layer.in_proj_weight is None or layer.bias_k is not None or layer.add_zero_attn
        return layer.dropout == 0 and not own
    known: Any = layer
    norms = (known.q_norm, known.k_norm)
    return known.fused_attn and known.attn_drop.p == 0 and all(isinstance(norm, nn.Identity) for norm in norms)


def attention(
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


class _Redirect(TorchFunctionMode):
    """Within it, and in this thread alone, a call of torch's attention becomes one of `attention`."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return (attention if func is _fused else func)(*args, **(kwargs or {}))


class _Redirected(nn.Module):
    """A layer of timm's that calls torch's attention: with fast gradients under autocast, and unchanged without."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        with _Redirect() if _learns_in_half() else nullcontext():
            out: Tensor = super().forward(*args, **kwargs)
        return out


class _TimmAttention(_Redirected, Attention):
    pass


class _TimmAttentionRope(_Redirected, AttentionRope):
    pass


class _TimmEvaAttention(_Redirected, EvaAttention):
    pass


class _MultiheadAttention(nn.MultiheadAttention):
    """torch's layer, which a mode cannot enter: with fast gradients for self-attention without a mask."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        usual = args or kwargs != {"need_weights": False} or query.ndim != 3
        if usual or not (query is key is value) or not _learns_in_half():
            found: tuple[Tensor, Any] = super().forward(query, key, value, *args, **kwargs)
            return found
        tokens = query.transpose(0, 1) if self.batch_first else query  # tokens x images x width, as torch does
        projected = functional.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        parts = projected.view(*tokens.shape[:2], 3, self.num_heads, self.head_dim).permute(2, 1, 3, 0, 4)
        mixed = attention(parts[0], parts[1], parts[2]).permute(2, 0, 1, 3).flatten(2)
        out = self.out_proj(mixed)
        return out.transpose(0, 1) if self.batch_first else out, None


def _learns_in_half() -> bool:
    return torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()


_EXCHANGED: dict[type, type] = {
    Attention: _TimmAttention,
    AttentionRope: _TimmAttentionRope,
    EvaAttention: _TimmEvaAttention,
    nn.MultiheadAttention: _MultiheadAttention,
}


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
        images = max(1, _BYTES_AT_ONCE // (2 * heads * tokens * key.shape[2]))
        parts = zip(*(one.split(images) for one in (query, key, value, gradients[0])), strict=True)
        found = [_gradients(q, k, v, gradient, ctx.scale) for q, k, v, gradient in parts]
        return *(torch.cat(one) if len(one) > 1 else one[0] for one in zip(*found, strict=True)), None


def _gradients(query: Tensor, key: Tensor, value: Tensor, gradient: Tensor, scale: float) -> tuple[Tensor, ...]:
    """Of query, key and value: the chain rule through softmax(query key' scale) value."""
    scaled = query * scale
    weights = torch.softmax(scaled @ key.transpose(-2, -1), dim=-1)
    of_weights = gradient @ value.transpose(-2, -1)
    of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
    return (of_scores @ key) * scale, of_scores.transpose(-2, -1) @ scaled, weights.transpose(-2, -1) @ gradient
