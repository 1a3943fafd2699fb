"""The optimizer's groups, the schedule and the precisions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.study.train import TrainSpec
from bench.training.optim.layer_decay import layers_of
from bench.training.optim.optimizer import autocast, learning_rate, make_optimizer, set_rate
from models_zoo.networks.builder import BuiltModel
from models_zoo.networks.classifier import Classifier, freeze_backbone
from tests.bench.training.fixtures import MakeModel


def test_the_schedule_by_hand() -> None:
    spec = TrainSpec(epochs=4, lr=1.0, warmup_epochs=1)
    rates = [learning_rate(step, 10, spec) for step in range(40)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10] == 1.0
    assert rates[25] == pytest.approx(0.5)
    assert rates[39] == pytest.approx(0.5 * (1 + math.cos(math.pi * 29 / 30)))


def test_a_constant_schedule_keeps_its_rate_after_the_warm_up() -> None:
    spec = TrainSpec(epochs=3, lr=0.2, warmup_epochs=0, schedule="constant")
    assert {learning_rate(step, 5, spec) for step in range(15)} == {0.2}


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 20))
def test_rates_are_positive_and_never_above_the_highest(epochs: int, steps: int, warmup: float) -> None:
    spec = TrainSpec(epochs=epochs, lr=0.3, warmup_epochs=warmup)
    rates = [learning_rate(step, steps, spec) for step in range(epochs * steps)]
    assert all(0 < rate <= 0.3 for rate in rates)
    assert max(rates) == pytest.approx(0.3)


def test_biases_and_norms_do_not_decay(small: MakeModel) -> None:
    module = small("resnet18").module
    optimizer = make_optimizer(module, TrainSpec(weight_decay=0.3))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert len(decay) == len(list(module.parameters()))
    assert all(decay[id(p)] == (0.3 if p.ndim > 1 else 0.0) for p in module.parameters())


def test_frozen_weights_are_not_in_the_optimizer(small: MakeModel) -> None:
    module = freeze_backbone(small("vit_tiny_p16").module)
    held = [p for group in make_optimizer(module, TrainSpec()).param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in module.head.parameters()}


@pytest.mark.parametrize("name", ["vit_tiny_p16", "resnet18", "efficientnet_lite0", "torchvision:resnet18"])
def test_layers_go_from_the_image_to_the_head(small: MakeModel, name: str) -> None:
    module = small(name).module
    layers = layers_of(module)
    names = [parameter for parameter, _ in module.named_parameters()]
    assert set(layers) == set(names)
    assert set(layers.values()) == set(range(max(layers.values()) + 1))
    assert {n for n in names if layers[n] == max(layers.values())} == {"head.weight", "head.bias"}
    assert max(layers.values()) > 4


def test_blocks_of_a_transformer_are_layers_in_order(small: MakeModel) -> None:
    layers = layers_of(small("vit_tiny_p16").module)
    depths = [layers[f"backbone.net.blocks.{block}.attn.qkv.weight"] for block in range(12)]
    assert depths == sorted(set(depths))
    assert layers["backbone.net.patch_embed.proj.weight"] < depths[0]


def _rates(module: nn.Module, spec: TrainSpec, rate: float) -> dict[str, float]:
    optimizer = make_optimizer(module, spec)
    set_rate(optimizer, rate)
    found = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    return {name: found[id(p)] for name, p in module.named_parameters()}


def test_each_layer_learns_at_its_share_of_the_rate(model: BuiltModel) -> None:
    rates = _rates(model.module, TrainSpec(lr=0.1, layer_decay=0.5), 0.1)
    layers = layers_of(model.module)
    top = max(layers.values())
    assert all(rate == pytest.approx(0.1 * 0.5 ** (top - layers[name])) for name, rate in rates.items())


def test_the_head_has_its_own_rate(model: BuiltModel) -> None:
    rates = _rates(model.module, TrainSpec(lr=0.1, head_lr=0.5), 0.05)  # halfway down the schedule
    assert all(rate == pytest.approx(0.25 if name.startswith("head.") else 0.05) for name, rate in rates.items())


def test_a_head_alone_is_a_head() -> None:
    assert _rates(nn.Linear(3, 2), TrainSpec(lr=0.1, head_lr=0.5, layer_decay=0.5), 0.1)["weight"] == 0.5


def test_an_unknown_network_has_layers_too() -> None:
    network = nn.Sequential(*(nn.Linear(2, 2) for _ in range(15)))
    layers = layers_of(Classifier(network, nn.Linear(2, 3)))
    assert (layers["backbone.0.weight"], layers["backbone.14.bias"], layers["head.weight"]) == (0, 2, 3)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_pass_has_the_precision(precision: str, dtype: torch.dtype) -> None:
    with autocast(torch.device("cpu"), precision):
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype is dtype
