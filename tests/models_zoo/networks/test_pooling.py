from __future__ import annotations

from typing import Any

import pytest
import torch

from models_zoo import ModelZooError
from models_zoo.networks.builder import build

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def features(name: str, **options: Any) -> torch.Tensor:
    built = build(name, num_classes=3, image_size=64, **options)
    with torch.no_grad():
        pooled: torch.Tensor = built.module.eval().backbone(IMAGES)
    assert pooled.shape == (2, built.num_features)
    return pooled


def tokens(name: str) -> torch.Tensor:
    net: Any = build(name, num_classes=3, image_size=64).module.eval().backbone.net
    with torch.no_grad():
        every: torch.Tensor = net.forward_features(IMAGES)
    return every


def test_pooling_of_the_last_block() -> None:
    every = tokens("vit_tiny_p16")
    cls, mean = every[:, 0], every[:, 1:].mean(dim=1)
    torch.testing.assert_close(features("vit_tiny_p16"), cls)
    torch.testing.assert_close(features("vit_tiny_p16", pooling="cls"), cls)
    torch.testing.assert_close(features("vit_tiny_p16", pooling="mean"), mean)
    torch.testing.assert_close(features("vit_tiny_p16", pooling="cls+mean"), torch.cat([cls, mean], dim=1))


def test_registers_are_no_patches() -> None:
    every = build("dinov2_small_reg4", num_classes=3, image_size=56)
    images = IMAGES[..., :56, :56]
    with torch.no_grad():
        net: Any = every.module.eval().backbone.net
        mean = net.forward_features(images)[:, 5:].mean(dim=1)
        pooled = build("dinov2_small_reg4", num_classes=3, image_size=56, pooling="mean").module.eval()
        torch.testing.assert_close(pooled.backbone(images), mean)


def test_several_blocks_come_in_order_and_the_last_is_the_same() -> None:
    one = features("vit_tiny_p16", pooling="cls+mean")
    three = features("vit_tiny_p16", feature_blocks=3)
    assert three.shape[1] == 3 * one.shape[1]
    torch.testing.assert_close(three[:, -one.shape[1] :], one)
    assert not torch.allclose(three[:, : one.shape[1]], one)
    assert features("vit_tiny_p16", feature_blocks=3, pooling="cls").shape[1] == 3 * 192
    assert features("vit_tiny_p16", feature_blocks=3, pooling="default").shape[1] == 3 * 192


@pytest.mark.parametrize(
    "name", ["timm:vit_relpos_small_patch16_224", "timm:cait_xxs24_224", "timm:deit_tiny_distilled_patch16_224"]
)
def test_several_blocks_of_unusual_transformers(name: str) -> None:
    """No class token; a class token that only the last blocks see; two of them."""
    built = build(name, num_classes=3, image_size=224, feature_blocks=2, device="meta")
    assert built.module.backbone(torch.zeros(2, 3, 224, 224, device="meta")).shape == (2, built.num_features)
    assert built.num_features % 2 == 0


def test_one_block_of_the_models_own_is_the_model() -> None:
    built = build("resnet18", num_classes=3, image_size=64)
    assert built.provenance["pooling"] == "default"
    net = built.module.eval().get_submodule("backbone.net")
    with torch.no_grad():
        torch.testing.assert_close(built.module.backbone(IMAGES), net(IMAGES))


@pytest.mark.parametrize(
    ("name", "widths"),
    [("resnet18", [256, 512]), ("swin_tiny", [384, 768]), ("convnext_tiny", [384, 768]), ("regnetx_016", [408, 912])],
)
def test_stages_of_a_cnn(name: str, widths: list[int]) -> None:
    assert features(name, feature_blocks=2).shape[1] == sum(widths)
    last = features(name, pooling="mean")
    assert last.shape[1] == widths[-1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vit_tiny_p16", {"feature_blocks": 0}, "at least 1"),
        ("vit_tiny_p16", {"feature_blocks": 13}, "more than the network's 12 blocks"),
        ("vit_tiny_p16", {"pooling": "max"}, "allowed: default, cls, mean"),
        ("resnet18", {"pooling": "cls"}, "needs a class token"),
        ("resnet18", {"feature_blocks": 9}, "more than the network's 5 stages"),
        ("timm:vit_small_patch16_siglip_gap_224", {"pooling": "cls"}, "unknown|no model|class token"),
        ("torchvision:resnet18", {"feature_blocks": 2}, "last features alone"),
        ("torchvision:resnet18", {"pooling": "mean"}, "last features alone"),
    ],
)
def test_what_cannot_be_pooled_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelZooError, match=message):
        build(name, num_classes=3, image_size=64, **options)
