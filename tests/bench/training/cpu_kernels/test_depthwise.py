"""The fast gradients of depthwise convolutions are the gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from bench.training.cpu_kernels.depthwise import speed_up_depthwise
from tests.bench.training.fixtures import MakeModel
from tests.known import known

CPU = torch.device("cpu")


def _pass(
    layer: nn.Module, images: torch.Tensor, *, half: bool
) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    images = images.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        out = layer(images)
    out.float().square().mean().backward()
    assert images.grad is not None
    return out, images.grad, [known(p.grad) for p in layer.parameters()]


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (5, 1, 2), (5, 2, 2), (5, 3, 0), (2, 2, 0)]
)
@pytest.mark.parametrize("size", [12, 13])
@pytest.mark.parametrize("bias", [True, False])
def test_forward_to_the_bit_and_gradients_within_rounding(
    kind: type[nn.Conv2d], kernel: int, stride: int, padding: int, size: int, bias: bool
) -> None:
    torch.manual_seed(0)
    plain = kind(6, 6, kernel, stride, 0 if kind is Conv2dSame else padding, groups=6, bias=bias)
    fast = copy.deepcopy(plain)
    assert speed_up_depthwise(fast, CPU, "bf16") == 1
    images = torch.randn(4, 6, size, size).contiguous(memory_format=torch.channels_last)
    exact, usual, found = (
        _pass(plain, images, half=False),
        _pass(copy.deepcopy(plain), images, half=True),
        _pass(fast, images, half=True),
    )
    if not bias:
        assert torch.equal(found[0], usual[0])
    assert torch.allclose(found[0].float(), exact[0], atol=0.05)
    assert torch.allclose(found[1], exact[1], atol=0.02 * exact[1].abs().max().item())
    for one, other in zip(found[2], exact[2], strict=True):
        assert torch.allclose(one, other, atol=0.02 * other.abs().max().item())


@pytest.mark.parametrize(
    ("name", "count"), [("efficientnet_lite0", 16), ("mobilenetv3_small", 11), ("resnet18", 0), ("vit_tiny_p16", 0)]
)
def test_it_is_for_depthwise_convolutions(small: MakeModel, name: str, count: int) -> None:
    module = small(name).module
    before = [key for key, _ in module.state_dict().items()]
    assert speed_up_depthwise(module, CPU, "bf16") == count
    assert [key for key, _ in module.state_dict().items()] == before


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mobilenetv3_small"])
def test_without_autocast_nothing_changes(small: MakeModel, name: str) -> None:
    """Floating-point operations are counted so, for one."""
    module = small(name).module.eval()
    images = torch.randn(2, 3, 32, 32)
    before = module(images)
    speed_up_depthwise(module, CPU, "bf16")
    assert torch.equal(module(images), before)


@pytest.mark.parametrize(("device", "precision"), [("cpu", "fp32"), ("cuda", "bf16")])
def test_elsewhere_nothing_changes(small: MakeModel, device: str, precision: str) -> None:
    assert speed_up_depthwise(small("efficientnet_lite0").module, torch.device(device), precision) == 0


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 12, 3, groups=6),
        nn.Conv2d(6, 6, 3, groups=3),
        nn.Conv2d(6, 6, 3),
        nn.Conv2d(6, 6, 3, groups=6, dilation=2),
        nn.Conv2d(6, 6, 3, groups=6, padding="same"),
        nn.Conv2d(6, 6, 3, groups=6, padding=1, padding_mode="reflect"),
        nn.Conv2d(6, 6, 1, groups=6, padding=1),
    ],
)
def test_other_convolutions_are_left_alone(layer: nn.Conv2d) -> None:
    assert speed_up_depthwise(layer, CPU, "bf16") == 0
    assert type(layer) is nn.Conv2d
