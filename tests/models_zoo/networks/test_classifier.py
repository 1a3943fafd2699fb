from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

from models_zoo import ModelZooError
from models_zoo.networks.classifier import Classifier, freeze_backbone, replace_head, seeded


def model() -> Classifier:
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return Classifier(backbone, nn.Linear(4, 10))


def test_a_frozen_backbone_stands_still_while_the_head_learns() -> None:
    module = freeze_backbone(model()).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.randn(4, 3, 8, 8)).square().sum().backward()
        optimizer.step()
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("head."), name


def test_a_model_that_is_not_frozen_does_learn_statistics() -> None:
    module = model().train()
    module(torch.randn(4, 3, 8, 8))
    assert module.backbone[1].num_batches_tracked == 1  # type: ignore[index]


def test_freezing_keeps_the_mode() -> None:
    assert not freeze_backbone(model().eval()).training
    assert freeze_backbone(model()).head.training


def test_a_new_head_depends_on_seed_and_shape_alone() -> None:
    torch.manual_seed(5)
    first = replace_head(model(), 3, seed=1).head
    torch.manual_seed(6)
    assert torch.equal(replace_head(model(), 3, seed=1).head.weight, first.weight)
    assert not torch.equal(replace_head(model(), 3, seed=2).head.weight, first.weight)
    assert (first.in_features, first.out_features) == (4, 3)
    assert not first.bias.any()


def test_a_new_head_follows_the_old_ones_dtype() -> None:
    assert replace_head(model().double(), 3).head.weight.dtype == torch.float64
    assert replace_head(model().to("meta"), 3).head.weight.device.type == "meta"


def test_no_classes_no_head() -> None:
    with pytest.raises(ModelZooError, match="at least one class"):
        replace_head(model(), 0)


def test_seeded_restores_the_state_even_after_an_error() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    with contextlib.suppress(KeyError), seeded(3):
        torch.rand(5)
        raise KeyError
    assert torch.equal(torch.rand(1), expected)
