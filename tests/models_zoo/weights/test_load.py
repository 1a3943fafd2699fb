"""Weights into networks: resampling, following the file's architecture, and what is reported of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from timm.layers.mlp import SwiGLUPacked
from timm.models.vision_transformer import VisionTransformer

from models_zoo import ModelZooError, weights_hash
from models_zoo.networks.builder import build

WEIGHTS = Path(os.environ.get("PATCHBENCH_WEIGHTS", Path(__file__).parents[4] / "shared" / "weights"))
DINO = WEIGHTS / "vit_small_patch14_dinov2.fp16.safetensors"
LITE = WEIGHTS / "tf_efficientnet_lite0.safetensors"
needs_weights = pytest.mark.skipif(
    not (DINO.is_file() and LITE.is_file()), reason="no pretrained weights: set PATCHBENCH_WEIGHTS to their folder"
)


def saved(tmp_path: Path, net: torch.nn.Module, name: str = "w.safetensors") -> Path:
    for parameter in net.parameters():  # nothing at its initial 0 or 1, so that a tensor left out shows
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(0))
    save_file(net.state_dict(), tmp_path / name)
    return tmp_path / name


def vit(**options: Any) -> VisionTransformer:
    base = {"img_size": 64, "patch_size": 16, "embed_dim": 192, "depth": 12, "num_heads": 3, "num_classes": 10}
    return VisionTransformer(**{**base, **options})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"init_values": 1e-4},
        {"reg_tokens": 4, "no_embed_class": True},
        {"reg_tokens": 4, "init_values": 1e-5},
        {"class_token": False, "global_pool": "avg"},
        {"global_pool": "avg"},
        {"global_pool": "avg", "fc_norm": False},
        {"qkv_bias": False},
        {"qk_norm": True},
        {"pre_norm": True},
        {"no_embed_class": True},
        {"mlp_ratio": 2.5},
        {"class_token": False, "global_pool": "map"},
        {"mlp_layer": SwiGLUPacked, "act_layer": torch.nn.SiLU, "mlp_ratio": 16 / 3},
    ],
    ids=str,
)
def test_a_vit_follows_the_file(tmp_path: Path, options: dict[str, object]) -> None:
    source = vit(**options)
    built = build("vit_tiny_p16", num_classes=3, image_size=64, weights=saved(tmp_path, source), pooling="default")
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    source.reset_classifier(0)
    with torch.no_grad():
        mine, theirs = built.module.eval().backbone(images), source.eval()(images)
    if options == {"global_pool": "avg", "fc_norm": False}:  # tensors do not show the pooling of such a network
        theirs = source.forward_features(images)[:, 0]
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    json.dumps(built.provenance)
    assert built.provenance["ignored_keys"] == ["head.bias", "head.weight"]


def test_resampling_the_patch_keeps_the_features_of_a_resized_image(tmp_path: Path) -> None:
    """FlexiViT's promise: patch 32 on an image twice as large sees what patch 16 sees on the small one."""
    source = vit()
    file = saved(tmp_path, source)
    built = build("vit_tiny_p32", num_classes=3, image_size=128, weights=file)
    small = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    # Patch by patch, as the projection is resampled: each patch of 16 becomes one of 32.
    patches = small.unfold(2, 16, 16).unfold(3, 16, 16).reshape(-1, 1, 16, 16)
    larger = torch.nn.functional.interpolate(patches, size=(32, 32), mode="bicubic", antialias=True)
    large = larger.reshape(2, 3, 4, 4, 32, 32).permute(0, 1, 2, 4, 3, 5).reshape(2, 3, 128, 128)
    source.reset_classifier(0)
    with torch.no_grad():
        torch.testing.assert_close(built.module.eval().backbone(large), source.eval()(small), rtol=1e-3, atol=1e-3)
    assert built.provenance["patch_resampled"] == {"from": 16, "to": 32, "method": "pseudo-inverse resize"}
    assert "position_grid" not in built.provenance


def test_a_file_of_another_width_names_the_model_that_fits(tmp_path: Path) -> None:
    file = saved(tmp_path, vit(embed_dim=384, num_heads=6))
    with pytest.raises(ModelZooError, match=r"384 wide and 12 blocks deep.*Use vit_small_p32"):
        build("vit_tiny_p32", num_classes=3, image_size=64, weights=file)


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        pytest.param("vgg11_bn", "vgg11_bn", marks=pytest.mark.slow),
        pytest.param("densenet121", "densenet121", marks=pytest.mark.slow),
        ("resnet18", "resnet18"),
    ],
)
def test_files_of_torchvision_fit_the_same_model_of_timm(tmp_path: Path, name: str, foreign: str) -> None:
    source = torchvision.models.get_model(foreign, weights=None)
    file = saved(tmp_path, source)
    built = build(name, num_classes=3, image_size=224, weights=file)
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    same = build(f"torchvision:{foreign}", num_classes=3, image_size=224, weights=file)
    with torch.no_grad():
        theirs = same.module.eval().backbone(images)
        torch.testing.assert_close(built.module.eval().backbone(images), theirs, rtol=1e-3, atol=1e-3)


def test_positions_of_torchvision_vits_are_resampled(tmp_path: Path) -> None:
    source = torchvision.models.vit_b_32(weights=None)
    built = build("torchvision:vit_b_32", num_classes=3, image_size=128, weights=saved(tmp_path, source))
    positions = built.module.get_parameter("backbone.net.encoder.pos_embedding")
    assert positions.shape == (1, 17, 768)


def test_swin_takes_weights_at_another_image_size(tmp_path: Path) -> None:
    source = timm.create_model("swin_tiny_patch4_window7_224")
    built = build("swin_tiny", num_classes=3, image_size=64, weights=saved(tmp_path, source))
    assert built.module(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_what_the_project_saves_it_reads(tmp_path: Path) -> None:
    first = build("vit_tiny_p16", num_classes=3, image_size=64, feature_blocks=2)
    save_file(first.module.state_dict(), tmp_path / "model.safetensors")
    second = build("vit_tiny_p32", num_classes=4, image_size=64, weights=tmp_path / "model.safetensors", seed=1)
    saved_norm, read_norm = (built.module.get_parameter("backbone.net.norm.weight") for built in (first, second))
    assert torch.equal(read_norm, saved_norm)
    assert second.provenance["notes"], "the file does not tell its normalization, and that is said"


@needs_weights
@pytest.mark.parametrize("patch", [8, 16, 32, 64, 128])
def test_dinov2_at_every_patch(patch: int) -> None:
    built = build(f"vit_small_p{patch}", num_classes=8, image_size=256, weights=DINO, feature_blocks=4)
    provenance = built.provenance
    assert provenance["sha256"] == weights_hash(DINO)
    assert provenance["dtype_lifted_from"] == ["float16"]
    assert provenance["patch_resampled"] == {"from": 14, "to": patch, "method": "pseudo-inverse resize"}
    assert (provenance["position_grid"]["from"], provenance["position_grid"]["to"]) == (37, 256 // patch)
    assert "init_values" in provenance["architecture_followed"]
    assert built.mean == (0.485, 0.456, 0.406)
    assert built.num_features == 4 * 2 * 384
    assert all(parameter.dtype == torch.float32 for parameter in built.module.parameters())
    with torch.no_grad():
        assert torch.isfinite(built.module.eval()(torch.zeros(1, 3, 256, 256))).all()


@needs_weights
@pytest.mark.parametrize("name", ["timm:vit_small_patch14_dinov2", "dinov2_small"])
def test_dinov2_gives_what_timm_gives(name: str) -> None:
    built = build(name, num_classes=8, image_size=518, weights=DINO)
    reference = timm.create_model("vit_small_patch14_dinov2", num_classes=0)
    reference.load_state_dict({key: value.float() for key, value in load_file(DINO).items()}, strict=True)
    images = torch.randn(1, 3, 518, 518, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(built.module.eval().backbone(images), reference.eval()(images))
    assert "patch_resampled" not in built.provenance
    assert "position_grid" not in built.provenance


@needs_weights
def test_dinov2_is_known_by_its_tensors_whatever_the_file_is_called(tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").symlink_to(DINO)
    built = build("vit_small_p64", num_classes=8, image_size=256, weights=tmp_path / "mine.safetensors")
    assert built.mean == (0.485, 0.456, 0.406)
    assert built.provenance["normalization"] == "timm vit_small_patch14_dinov2"
    assert not built.provenance["notes"]


@needs_weights
def test_efficientnet_lite0_gives_what_timm_gives() -> None:
    built = build("efficientnet_lite0", num_classes=8, image_size=224, weights=LITE)
    reference: Any = timm.create_model("tf_efficientnet_lite0")
    reference.load_state_dict(load_file(LITE), strict=True)
    reference.reset_classifier(0)
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(built.module.eval().backbone(images), reference.eval()(images))
    assert built.mean == built.std == (0.5, 0.5, 0.5)
    assert built.provenance["ignored_keys"] == ["classifier.bias", "classifier.weight"]


@needs_weights
def test_dinov2_does_not_fit_a_cnn_or_a_base_vit() -> None:
    with pytest.raises(ModelZooError, match="Use vit_small_p32"):
        build("vit_base_p32", num_classes=8, image_size=224, weights=DINO)
    with pytest.raises(ModelZooError, match="do not fit the model 'resnet18'"):
        build("resnet18", num_classes=8, image_size=224, weights=DINO)
