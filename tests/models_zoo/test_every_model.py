"""Every registered model, by one set of checks: a new spec is tested with no new test.

All are built on the meta device; those below ``REAL_PARAMETERS`` get real weights and a real image too. What is not the
smallest of its kind of network is among the slow tests.
"""

from __future__ import annotations

import re
from itertools import groupby

import pytest
import torch

from models_zoo import ModelSpec, list_specs
from models_zoo.complexity import count_flops, count_parameters
from models_zoo.networks.builder import BuiltModel, build
from models_zoo.networks.classifier import freeze_backbone, replace_head


def _kind(spec: ModelSpec) -> str:
    """What is built alike: ``resnet18`` and ``resnet50``, all ``vit_hybrid``, all other ``vit``."""
    return re.sub(r"(?<=vit)_(?!hybrid).*|\d.*|_(tiny|small|base|large).*", "", spec.name)


SPECS = [spec for spec in list_specs() if spec.library == "timm"]
SMALLEST = {
    min(kind, key=lambda spec: spec.counts or (0, 0)).name
    for _, group in groupby(sorted(SPECS, key=_kind), _kind)
    if (kind := list(group))
}
"""Of each kind of network; the others are slow."""
EVERY = [pytest.param(s, id=s.name, marks=() if s.name in SMALLEST else pytest.mark.slow) for s in SPECS]
REAL_PARAMETERS = 30_000_000
REAL = [param for param, spec in zip(EVERY, SPECS, strict=True) if (spec.counts or (0, 0))[0] < REAL_PARAMETERS]
CLASSES = 5


def small_size(spec: ModelSpec) -> int:
    """The smallest side from 64 pixels on that the model takes."""
    return next(size for size in range(64, 257) if spec.allows(size))


def built(spec: ModelSpec, device: str = "cpu", **options: object) -> BuiltModel:
    size = small_size(spec) if device == "cpu" else spec.image_size
    return build(spec.name, num_classes=CLASSES, image_size=size, device=device, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", EVERY)
def test_shapes_gradients_head_freezing_and_state(spec: ModelSpec) -> None:
    model = built(spec, "meta")
    module, size = model.module, spec.image_size
    images = torch.zeros(2, 3, size, size, device="meta")

    features = module.backbone(images)
    assert features.shape == (2, model.num_features)
    logits = module(images)
    assert logits.shape == (2, CLASSES)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())

    other = built(spec, "meta").module
    other.load_state_dict(module.state_dict(), assign=True)
    assert list(other.state_dict()) == list(module.state_dict())

    replace_head(module, 3)
    assert module(images).shape == (2, 3)
    module.zero_grad()
    freeze_backbone(module).train()
    module(images).sum().backward()
    learning = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert learning == {"head.weight", "head.bias"}
    assert not any(layer.training for layer in module.backbone.modules())
    assert module.head.training


@pytest.mark.parametrize("spec", EVERY)
def test_table_figures(spec: ModelSpec) -> None:
    module = build(spec.name, num_classes=1000, image_size=spec.image_size, device="meta").module
    measured = (count_parameters(module).total, count_flops(module, spec.image_size).macs)
    assert spec.counts == measured, "regenerate with python -m models_zoo.summary"


@pytest.mark.parametrize("spec", REAL)
def test_real_weights_and_image(spec: ModelSpec) -> None:
    size = small_size(spec)
    first = build(spec.name, num_classes=CLASSES, image_size=size, seed=3)
    again = build(spec.name, num_classes=7, image_size=size, seed=3)
    twin = first.module.backbone.state_dict()
    for name, tensor in again.module.backbone.state_dict().items():
        assert torch.equal(tensor, twin[name]), f"{name} differs for the same seed and other classes"
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    before = {name: buffer.clone() for name, buffer in first.module.backbone.named_buffers()}
    module = freeze_backbone(first.module).train()
    logits = module(images)
    assert torch.isfinite(logits).all()
    assert torch.equal(logits, module(images)), "a frozen backbone has no dropout"
    for name, buffer in module.backbone.named_buffers():
        assert torch.equal(buffer, before[name]), f"{name} moved in a frozen backbone"

    copy = replace_head(again.module, CLASSES, seed=9)
    with torch.no_grad():
        assert not torch.equal(copy.eval()(images), module.eval()(images))
        copy.load_state_dict(first.module.state_dict())
        assert torch.equal(copy(images), module(images))


@pytest.mark.parametrize("name", ["vit_tiny_p16", "resnet18", "torchvision:mobilenet_v3_small"])
def test_another_seed_gives_other_weights_and_leaves_torch_alone(name: str) -> None:
    state = torch.default_generator.get_state()
    weights = [
        next(p for p in build(name, num_classes=2, image_size=64, seed=seed).module.parameters() if p.ndim == 4)
        for seed in (0, 1)
    ]
    assert not torch.equal(*weights)
    assert torch.equal(torch.default_generator.get_state(), state)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_default_weights_are_known_to_timm(spec: ModelSpec) -> None:
    import timm

    assert spec.default_weights is not None
    prefix, _, published = spec.default_weights.rpartition("/")
    assert prefix == "hub:timm"
    assert published in timm.list_pretrained(published.partition(".")[0] + "*")
