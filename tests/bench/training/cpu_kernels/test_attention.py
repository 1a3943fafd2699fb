"""The fast gradients of attention are the gradients, and are used where they are right."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from timm.layers.attention import Attention
from torch import nn
from torch.nn import functional

from bench.training.cpu_kernels import KernelCounts, use_fast_gradients
from bench.training.cpu_kernels import attention as module
from bench.training.cpu_kernels.attention import attention, speed_up_attention
from tests.bench.training.fixtures import MakeModel

CPU = torch.device("cpu")
HALF = torch.bfloat16
FUSED = functional.scaled_dot_product_attention
Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _inputs(shape: tuple[int, ...], keys: int, dtype: torch.dtype = HALF) -> Inputs:
    generator = torch.Generator().manual_seed(0)

    def draw(*one: int) -> torch.Tensor:
        return torch.randn(one, generator=generator).to(dtype).requires_grad_()

    others = (*shape[:-2], keys, shape[-1])
    return draw(*shape), draw(*others), draw(*others)


def _pass(
    call: Callable[..., torch.Tensor], inputs: Inputs, **settings: object
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    out = call(*inputs, **settings)
    return out, torch.autograd.grad(out.float().square().sum(), inputs)


def _uses_fast(out: torch.Tensor) -> bool:
    return "_Attention" in type(out.grad_fn).__name__


@pytest.mark.parametrize(("shape", "keys"), [((4, 3, 50, 16), 50), ((1, 2, 7, 8), 7), ((5, 2, 9, 8), 30)])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("at_once", [2**25, 1000])
def test_forward_to_the_bit_and_gradients_as_near_as_the_fused_ones(
    shape: tuple[int, ...], keys: int, scale: float | None, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BYTES_AT_ONCE", at_once)
    inputs = _inputs(shape, keys)
    query, key, value = (one.detach().float().requires_grad_() for one in inputs)
    exact = _pass(FUSED, (query, key, value), scale=scale)[1]
    usual, fused = _pass(FUSED, inputs, scale=scale)
    out, found = _pass(attention, inputs, scale=scale)
    assert _uses_fast(out)
    assert torch.equal(out, usual)
    for one, other, true in zip(found, fused, exact, strict=True):
        assert one.dtype == HALF
        assert (one - true).norm() <= 1.5 * (other - true).norm() + 0.002 * true.norm()


@pytest.mark.parametrize(
    "settings",
    [{"is_causal": True}, {"dropout_p": 0.5}, {"attn_mask": torch.zeros(6, 6, dtype=HALF)}, {"enable_gqa": True}],
)
def test_what_is_masked_or_dropped_is_left_to_torch(settings: dict[str, Any]) -> None:
    inputs = _inputs((2, 2, 6, 8), 6)
    out = attention(*inputs, **settings)
    assert not _uses_fast(out)
    assert not _uses_fast(attention(*inputs, settings.get("attn_mask"), 0.5))


def test_other_types_and_shapes_and_what_does_not_learn_are_left_to_torch() -> None:
    for inputs in (_inputs((2, 2, 6, 8), 6, torch.float32), _inputs((2, 6, 8), 6)):
        assert not _uses_fast(attention(*inputs))
    with torch.no_grad():
        assert attention(*_inputs((2, 2, 6, 8), 6)).grad_fn is None


@pytest.mark.parametrize(("device", "precision"), [("cpu", "fp32"), ("cuda", "bf16")])
def test_elsewhere_no_layer_is_exchanged(device: str, precision: str) -> None:
    model = torchvision.models.VisionTransformer(32, 16, 2, 2, 16, 32)
    kinds = [type(layer) for layer in model.modules()]
    assert speed_up_attention(model, torch.device(device), precision) == 0
    assert [type(layer) for layer in model.modules()] == kinds


def test_torchs_function_is_never_replaced(small: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = small("vit_tiny_p16").module.train(), nn.MultiheadAttention(8, 2, batch_first=True)
    assert speed_up_attention(model, CPU, "bf16") == 12
    seen = _count_calls(monkeypatch)
    inside: list[bool] = []
    model.get_submodule("backbone.net.blocks.0.attn").register_forward_pre_hook(
        lambda *_: inside.append(functional.scaled_dot_product_attention is FUSED)
    )
    with torch.autocast("cpu", HALF):
        model(torch.randn(2, 3, 32, 32))
        assert len(seen) == 12
        tokens = torch.randn(2, 5, 8)
        other(tokens, tokens, tokens, need_weights=False)
    assert inside == [True]
    assert functional.scaled_dot_product_attention is FUSED
    assert torch._C._nn.scaled_dot_product_attention is FUSED
    assert len(seen) == 12, "an attention layer of another module was changed"


def test_a_cnn_has_no_attention_to_exchange(small: MakeModel) -> None:
    assert use_fast_gradients(small("resnet18").module, CPU, "bf16") == KernelCounts(0, 0, 0)
    assert use_fast_gradients(small("efficientnet_b0").module, CPU, "bf16").attention == 0
    assert use_fast_gradients(small("vit_tiny_p16").module, CPU, "bf16") == KernelCounts(0, 1, 12)


@pytest.mark.parametrize(
    "layer",
    [
        Attention(16, num_heads=2, attn_drop=0.1),
        Attention(16, num_heads=2, qk_norm=True, norm_layer=nn.LayerNorm),
        nn.MultiheadAttention(16, 2, dropout=0.1),
        nn.MultiheadAttention(16, 2, kdim=8),
    ],
)
def test_layers_that_drop_or_norm_are_left_alone_and_not_counted(layer: nn.Module) -> None:
    kind = type(layer)
    assert speed_up_attention(nn.Sequential(layer), CPU, "bf16") == 0
    assert type(layer) is kind


def _count_calls(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    seen: list[torch.Size] = []
    apply = module._Attention.apply

    def counted(query: torch.Tensor, *others: object) -> torch.Tensor:
        seen.append(query.shape)
        out: torch.Tensor = apply(query, *others)
        return out

    monkeypatch.setattr(module._Attention, "apply", counted)
    return seen


def test_the_models_of_both_libraries_learn_by_it(small: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _count_calls(monkeypatch)
    timm_vit = small("vit_tiny_p16").module.train()
    other = torchvision.models.VisionTransformer(32, 16, 2, 2, 16, 32).train()
    for model, blocks in ((timm_vit, 12), (other, 2)):
        seen.clear()
        assert speed_up_attention(model, CPU, "bf16") == blocks
        with torch.autocast("cpu", HALF):
            out = model(torch.randn(2, 3, 32, 32))
        out.float().sum().backward()
        assert len(seen) == blocks
        seen.clear()
        with torch.no_grad(), torch.autocast("cpu", HALF):
            model(torch.randn(2, 3, 32, 32))
        model(torch.randn(2, 3, 32, 32)).sum().backward()
        assert not seen, "without gradients or in fp32 the layer is torch's own"


@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention_is_the_same_to_the_bit(batch_first: bool) -> None:
    torch.manual_seed(0)
    usual = nn.MultiheadAttention(32, 4, batch_first=batch_first)
    fast = copy.deepcopy(usual)
    assert speed_up_attention(fast, CPU, "bf16") == 1
    tokens, mask = torch.randn(3, 7, 32), torch.zeros(7 if batch_first else 3, 7 if batch_first else 3)
    with torch.autocast("cpu", HALF):
        for settings in ({"need_weights": False}, {"need_weights": True}, {"need_weights": False, "attn_mask": mask}):
            out, weights = fast(tokens, tokens, tokens, **settings)
            expected, expected_weights = usual(tokens, tokens, tokens, **settings)
            assert torch.equal(out, expected)
            assert (weights is None) == (expected_weights is None)
