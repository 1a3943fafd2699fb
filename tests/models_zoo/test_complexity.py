from __future__ import annotations

import pytest
import torch
from torch import nn

from models_zoo.complexity import (
    Activations,
    count_flops,
    count_layers,
    count_parameters,
    count_tokens,
    measure_activations,
    training_bytes,
    working_bytes,
)
from models_zoo.networks.builder import build
from models_zoo.networks.classifier import freeze_backbone


def test_a_vit_by_hand() -> None:
    """Every multiply-add of ViT-Ti/16 at 224: projection, qkv, attention twice, output, MLP, head."""
    width, depth, patches = 192, 12, 196
    tokens = patches + 1
    block = tokens * width * 3 * width + 2 * tokens**2 * width + tokens * width**2 + 2 * tokens * width * 4 * width
    by_hand = patches * 3 * 16 * 16 * width + depth * block + width * 1000
    module = build("vit_tiny_p16", num_classes=1000, image_size=224, device="meta").module
    cost = count_flops(module, 224)
    assert cost.macs == by_hand
    assert cost.flops == 2 * by_hand
    assert count_tokens(module) == tokens
    parts = count_parameters(module)
    assert parts.head == width * 1000 + 1000
    assert parts.patch_projection == 3 * 16 * 16 * width + width
    assert parts.stem == parts.patch_projection + width + tokens * width
    assert parts.total == sum(p.numel() for p in module.parameters())
    assert count_layers(module) == 1 + 4 * depth + 1


@pytest.mark.parametrize("name", ["vit_tiny_p32", "resnet18", "swin_tiny"])
def test_fused_attention_on_the_cpu_counts_as_on_the_meta_device(name: str) -> None:
    real = build(name, num_classes=8, image_size=64).module
    meta = build(name, num_classes=8, image_size=64, device="meta").module
    assert count_flops(real, 64).macs == count_flops(meta, 64).macs > 0


class Looks(nn.Module):
    """Goes a way that depends on what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1)
        return self.linear(flat) if flat.sum().item() == 0 else flat


def test_a_network_that_looks_at_its_values_is_run() -> None:
    assert count_flops(Looks(), 8).macs == 192 * 5


def test_counting_runs_nothing() -> None:
    """A layer of a quarter of a terabyte would not fit; its operations are counted all the same."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(3, 2**18, bias=False), nn.Unflatten(1, (-1, 1)))
    module.append(Square())
    assert count_flops(module, 1).macs == 3 * 2**18 + 2**36


class Square(nn.Module):
    """The outer product of a column with itself."""

    def forward(self, column: torch.Tensor) -> torch.Tensor:
        return column @ column.transpose(1, 2)


def test_counting_leaves_the_model_as_it_was() -> None:
    module = build("resnet18", num_classes=8, image_size=64).module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.default_generator.get_state()
    count_flops(module, 64)
    measure_activations(module, 64)
    working_bytes(module, 64)
    assert module.training
    assert torch.equal(state, torch.default_generator.get_state())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_activations_of_a_network_by_hand() -> None:
    # Kept: the image for the convolution, its output for the ReLU (one storage, in place), the flat view of that.
    module = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(5 * 64, 2))
    kept = measure_activations(module, 8)
    assert kept == Activations(per_image=4 * (3 * 64 + 5 * 64), fixed=0)


def test_autocast_halves_what_grows_and_keeps_copies_of_the_weights() -> None:
    module = build("vit_tiny_p16", num_classes=8, image_size=64).module
    full, half = measure_activations(module, 64), measure_activations(module, 64, "bf16")
    assert 0.4 * full.per_image < half.per_image < 0.95 * full.per_image
    linear = sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d))
    assert half.fixed >= 2 * (linear - 192 * 8)
    assert full.fixed < 1000


def test_a_frozen_backbone_keeps_its_features_alone() -> None:
    built = build("resnet18", num_classes=8, image_size=64)
    kept = measure_activations(freeze_backbone(built.module), 64)
    assert kept.per_image == 4 * built.num_features
    assert not built.module.backbone.training


def test_a_larger_patch_keeps_less() -> None:
    kept = [
        measure_activations(build(f"vit_tiny_p{patch}", num_classes=8, image_size=128).module, 128).per_image
        for patch in (16, 32, 64, 128)
    ]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > 8 * kept[3]


def test_working_memory_is_the_largest_layer() -> None:
    module = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 64, 2))
    assert working_bytes(module, 8) == 4 * (5 * 64 + 5 * 64)


def test_training_memory_by_hand() -> None:
    kept = Activations(per_image=7, fixed=5)
    assert training_bytes(100, 100, kept, 10) == 400 + 1200 + 5 + 70
    assert training_bytes(100, 10, kept, 10, optimizer="sgd") == 400 + 80 + 5 + 70
