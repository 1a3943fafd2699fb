"""Models of timm, torchvision and the user's own functions."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from models_zoo import ModelZooError
from models_zoo.networks.backbones import normalization_of
from models_zoo.networks.builder import build
from models_zoo.networks.classifier import freeze_backbone


def plain(num_classes: int = 10) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, num_classes)
    )


def sized(image_size: int, num_classes: int) -> nn.Module:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, 4), nn.Tanh(), nn.Linear(4, num_classes))
    module.mean, module.std = (0.1, 0.2, 0.3), (1.0, 1.0, 1.0)  # type: ignore[assignment]
    return module


def without_last_layer() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten())


def of_maps(num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Unflatten(3, (8, 8)), nn.Linear(8, num_classes))


def divides(num_classes: int) -> nn.Module:
    return nn.Linear(1 // 0, num_classes)


def none() -> None:
    return None


def wants_more(num_classes: int, width: int) -> nn.Module:
    return nn.Linear(width, num_classes)


@pytest.fixture
def mine() -> Iterator[Callable[[Callable[..., object]], str]]:
    module = types.ModuleType("a_users_models")
    sys.modules[module.__name__] = module

    def publish(function: Callable[..., object]) -> str:
        setattr(module, function.__name__, function)
        return f"python:{module.__name__}:{function.__name__}"

    yield publish
    del sys.modules[module.__name__]


def test_a_function_of_the_user(mine: Callable[[Callable[..., object]], str]) -> None:
    built = build(mine(plain), num_classes=4, image_size=32)
    assert built.num_features == 6
    assert built.module(torch.zeros(2, 3, 32, 32)).shape == (2, 4)
    freeze_backbone(built.module)
    assert [n for n, p in built.module.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]


class WithBackbone(nn.Module):
    """As users write them: names that wrappers use as well."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(6, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))  # type: ignore[no-any-return]


def with_backbone(num_classes: int) -> nn.Module:
    return WithBackbone(num_classes)


def test_a_users_weights_fit_the_users_model(mine: Callable[[Callable[..., object]], str], tmp_path: Path) -> None:
    saved = WithBackbone(8)
    torch.save({f"module.{key}": value for key, value in saved.state_dict().items()}, tmp_path / "w.pth")
    built = build(mine(with_backbone), num_classes=3, image_size=32, weights=tmp_path / "w.pth")
    state = built.module.get_submodule("backbone.net").state_dict()
    assert torch.equal(state["backbone.0.weight"], saved.get_parameter("backbone.0.weight"))
    assert built.provenance["ignored_keys"] == ["head.weight", "head.bias"]


def test_a_function_gets_what_it_asks_for(mine: Callable[[Callable[..., object]], str]) -> None:
    built = build(mine(sized), num_classes=4, image_size=16)
    assert built.module(torch.zeros(2, 3, 16, 16)).shape == (2, 4)
    assert built.mean == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (without_last_layer, "no last nn.Linear"),
        (none, "returned NoneType"),
        (divides, "ZeroDivisionError"),
        (wants_more, "missing 1 required"),
        (of_maps, r"cannot take an image|not features \(B, F\)"),
    ],
)
def test_functions_that_give_no_classifier(
    mine: Callable[[Callable[..., object]], str], function: Callable[..., object], message: str
) -> None:
    with pytest.raises(ModelZooError, match=message):
        build(mine(function), num_classes=4, image_size=64)


def test_a_function_that_is_not_there(mine: Callable[[Callable[..., object]], str]) -> None:
    mine(plain)
    with pytest.raises(ModelZooError, match="has no function 'other'"):
        build("python:a_users_models:other", num_classes=4, image_size=32)
    with pytest.raises(ModelZooError, match="Did you mean 'python:a_users_models:plain'"):
        build("python:a_users_models:plane", num_classes=4, image_size=32)
    with pytest.raises(ModelZooError, match="PYTHONPATH"):
        build("python:no_such_module:other", num_classes=4, image_size=32)


def test_a_module_that_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_models.py").write_text("def net(:\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelZooError, match=r"importing 'broken_models' failed \(SyntaxError"):
        build("python:broken_models:net", num_classes=4, image_size=32)


@pytest.mark.parametrize(
    ("name", "size", "features"),
    [
        ("timm:resnet10t", 33, 512),
        ("timm:vit_tiny_patch16_224.augreg_in21k", 96, 192),
        ("timm:mixer_s32_224", 64, 512),
        ("timm:tf_efficientnetv2_b0", 64, 1280),
        ("torchvision:squeezenet1_1", 64, 512),
        ("torchvision:mobilenet_v3_small", 64, 1024),
        ("torchvision:vgg11", 32, 4096),
        ("torchvision:swin_t", 64, 768),
        ("torchvision:googlenet", 64, 1024),
        ("torchvision:shufflenet_v2_x0_5", 64, 1024),
    ],
)
def test_any_other_model(name: str, size: int, features: int) -> None:
    built = build(name, num_classes=3, image_size=size)
    assert built.num_features == features
    assert built.module.backbone(torch.zeros(2, 3, size, size)).shape == (2, features)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnt18", "Did you mean 'timm:resnet18'"),
        ("timm:resnet18.no_such", "no pretrained tag 'no_such'; it has"),
        ("torchvision:resnt18", "Did you mean 'torchvision:resnet18'"),
        ("torchvision:fcn_resnet50", "no classifier"),
    ],
)
def test_unknown_models_get_suggestions(name: str, message: str) -> None:
    with pytest.raises(ModelZooError, match=message):
        build(name, num_classes=3, image_size=64)


def test_sizes_that_only_the_library_knows_about() -> None:
    with pytest.raises(ModelZooError, match="64 or 96"):
        build("timm:mixer_s32_224", num_classes=3, image_size=70)
    with pytest.raises(ModelZooError, match="cannot take an image of 32 x 32"):
        build("torchvision:inception_v3", num_classes=3, image_size=32)


def test_normalization_by_name() -> None:
    assert normalization_of("vit_small_patch14_dinov2.lvd142m") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert normalization_of("vit_small_patch16_224.no_such_tag") == ((0.5,) * 3, (0.5,) * 3)
    assert normalization_of("weights") is None
    assert normalization_of("") is None
