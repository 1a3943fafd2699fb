"""The fast gradients of patch projections are the gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bench.training.cpu_kernels.patch_embed import speed_up_patches
from tests.bench.training.fixtures import MakeModel
from tests.known import known

CPU = torch.device("cpu")


def _pass(layer: nn.Module, images: torch.Tensor, *, half: bool, learns: bool) -> list[torch.Tensor]:
    """The output, and the gradients of the images, where they learn, and of the parameters."""
    images = images.clone().requires_grad_(learns)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        out = layer(images)
    out.float().square().mean().backward()
    of_parameters = [known(p.grad) for p in layer.parameters()]
    return [out] + ([images.grad] if images.grad is not None else []) + of_parameters


@pytest.mark.parametrize(("kernel", "size"), [(4, (12, 12)), (4, (14, 15)), ((2, 3), (8, 12)), (16, (16, 16))])
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("learns", [True, False])
def test_forward_to_the_bit_and_gradients_within_rounding(
    kernel: int | tuple[int, int], size: tuple[int, int], form: torch.memory_format, bias: bool, learns: bool
) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(3, 8, kernel, kernel, bias=bias)
    fast = copy.deepcopy(plain)
    assert speed_up_patches(fast, CPU, "bf16") == 1
    images = torch.randn(4, 3, *size).contiguous(memory_format=form)
    usual = _pass(copy.deepcopy(plain), images, half=True, learns=learns)
    found = _pass(fast, images, half=True, learns=learns)
    exact = _pass(plain, images, half=False, learns=learns)
    assert torch.equal(found[0], usual[0])
    assert len(found) == len(exact) == 2 + bias + learns
    for one, other in zip(found[1:], exact[1:], strict=True):
        assert one.dtype == other.dtype
        assert torch.allclose(one, other, atol=0.02 * other.abs().max().item())


@pytest.mark.parametrize(("name", "count"), [("vit_tiny_p16", 1), ("resnet18", 0)])
def test_it_is_for_patch_projections(small: MakeModel, name: str, count: int) -> None:
    module = small(name).module
    before = list(module.state_dict())
    assert speed_up_patches(module, CPU, "bf16") == count
    assert list(module.state_dict()) == before


def test_without_autocast_nothing_changes(small: MakeModel) -> None:
    module = small("vit_tiny_p16").module.eval()
    images = torch.randn(2, 3, 32, 32)
    before = module(images)
    speed_up_patches(module, CPU, "bf16")
    assert torch.equal(module(images), before)


@pytest.mark.parametrize(("device", "precision"), [("cpu", "fp32"), ("cuda", "bf16")])
def test_elsewhere_nothing_changes(small: MakeModel, device: str, precision: str) -> None:
    assert speed_up_patches(small("vit_tiny_p16").module, torch.device(device), precision) == 0


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 8, 4, 2),
        nn.Conv2d(3, 8, 4, 4, padding=1),
        nn.Conv2d(3, 8, 4, 4, dilation=2),
        nn.Conv2d(6, 6, 4, 4, groups=6),
        nn.Conv2d(3, 8, 1),
    ],
)
def test_other_convolutions_are_left_alone(layer: nn.Conv2d) -> None:
    assert speed_up_patches(layer, CPU, "bf16") == 0
    assert type(layer) is nn.Conv2d
