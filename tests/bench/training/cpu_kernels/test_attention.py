"""The fast gradients of attention are the gradients, and are used where they are right."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch.nn import functional

from bench.training.cpu_kernels import attention as module
from bench.training.cpu_kernels.attention import fast_attention, has_fast_attention

CPU = torch.device("cpu")
HALF = torch.bfloat16


def _inputs(shape: tuple[int, ...], keys: int, dtype: torch.dtype = HALF) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = (shape, (*shape[:-2], keys, shape[-1]), (*shape[:-2], keys, shape[-1]))
    return [torch.randn(one, generator=generator).to(dtype).requires_grad_() for one in shapes]


def _pass(inputs: list[torch.Tensor], **settings: object) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    out = functional.scaled_dot_product_attention(*inputs, **settings)
    return out, torch.autograd.grad(out.float().square().sum(), inputs)


def _uses_fast(out: torch.Tensor) -> bool:
    return "_Attention" in type(out.grad_fn).__name__


@pytest.mark.parametrize(("shape", "keys"), [((4, 3, 50, 16), 50), ((1, 2, 7, 8), 7), ((5, 2, 9, 8), 30)])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("piece", [2**25, 1000])
def test_forward_to_the_bit_and_gradients_as_near_as_the_fused_ones(
    shape, keys, scale, piece, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PIECE", piece)
    inputs = _inputs(shape, keys)
    exact = _pass([one.detach().float().requires_grad_() for one in inputs], scale=scale)[1]
    usual, fused = _pass(inputs, scale=scale)
    with fast_attention(CPU, "bf16"):
        out, found = _pass(inputs, scale=scale)
    assert _uses_fast(out)
    assert torch.equal(out, usual)
    for one, other, true in zip(found, fused, exact, strict=True):
        assert one.dtype == HALF
        assert (one - true).norm() <= 1.5 * (other - true).norm() + 0.002 * true.norm()


@pytest.mark.parametrize(
    "settings",
    [{"is_causal": True}, {"dropout_p": 0.5}, {"attn_mask": torch.zeros(6, 6, dtype=HALF)}, {"enable_gqa": True}],
)
def test_what_is_masked_or_dropped_is_left_to_torch(settings: dict[str, object]) -> None:
    inputs = _inputs((2, 2, 6, 8), 6)
    with fast_attention(CPU, "bf16"):
        out = functional.scaled_dot_product_attention(*inputs, **settings)
        assert not _uses_fast(out)
        assert not _uses_fast(functional.scaled_dot_product_attention(*inputs, settings.get("attn_mask"), 0.5))


def test_other_types_and_shapes_and_what_does_not_learn_are_left_to_torch() -> None:
    with fast_attention(CPU, "bf16"):
        for inputs in (_inputs((2, 2, 6, 8), 6, torch.float32), _inputs((2, 6, 8), 6)):
            assert not _uses_fast(functional.scaled_dot_product_attention(*inputs))
        with torch.no_grad():
            assert functional.scaled_dot_product_attention(*_inputs((2, 2, 6, 8), 6)).grad_fn is None


@pytest.mark.parametrize(("device", "precision"), [("cpu", "fp32"), ("cuda", "bf16")])
def test_elsewhere_and_afterwards_nothing_changes(device: str, precision: str) -> None:
    usual = functional.scaled_dot_product_attention
    assert not has_fast_attention(torch.device(device), precision)
    with fast_attention(torch.device(device), precision):
        assert functional.scaled_dot_product_attention is usual
    with pytest.raises(RuntimeError, match="in a step"), fast_attention(CPU, "bf16"):
        raise RuntimeError("in a step")
    assert functional.scaled_dot_product_attention is usual


def _count_calls(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    seen: list[torch.Size] = []
    apply = module._Attention.apply

    def counted(query: torch.Tensor, *others: object) -> torch.Tensor:
        seen.append(query.shape)
        return apply(query, *others)

    monkeypatch.setattr(module._Attention, "apply", counted)
    return seen


def test_the_models_of_both_libraries_learn_by_it(small, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _count_calls(monkeypatch)
    timm_vit = small("vit_tiny_p16").module.train()
    other = torchvision.models.VisionTransformer(32, 16, 2, 2, 16, 32).train()
    for model, blocks in ((timm_vit, 12), (other, 2)):
        seen.clear()
        with torch.autocast("cpu", HALF), fast_attention(CPU, "bf16"):
            out = model(torch.randn(2, 3, 32, 32))
        out.float().sum().backward()
        assert len(seen) == blocks
