"""The moving average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.study.train import TrainSpec
from bench.training.loop import TrainContext, fit
from bench.training.optim.ema import MovingAverage, trainable_state_dict
from models_zoo.networks.builder import BuiltModel
from tests.bench.training.fixtures import Images


def _module() -> nn.Sequential:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    module.get_parameter("0.bias").requires_grad_(False)
    return module


def test_what_is_learned_are_trained_weights_and_statistics() -> None:
    expected = {"0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert trainable_state_dict(_module()).keys() == expected


def test_the_average_by_hand() -> None:
    module = _module()
    weight, batches = module.get_parameter("0.weight"), module.get_buffer("1.num_batches_tracked")
    average = MovingAverage(module, 0.25)
    expected = weight.detach().clone()
    for step in (1, 2, 3):
        with torch.no_grad():
            weight.add_(1)
            batches.add_(1)
        average.update()
        keep = min(0.25, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * weight.detach()
    assert torch.allclose(average.state["0.weight"], expected)
    assert average.state["1.num_batches_tracked"] == 3


def test_swapping_twice_changes_nothing() -> None:
    module = _module()
    average = MovingAverage(module, 0.5)
    with torch.no_grad():
        module.get_parameter("0.weight").fill_(7)
    average.swap()
    assert (module.get_parameter("0.weight") != 7).all()
    average.swap()
    assert (module.get_parameter("0.weight") == 7).all()


def test_the_loop_tests_the_average(images: Images, model: BuiltModel, context: TrainContext) -> None:
    """With an average that keeps nearly all of itself, the module ends near its start, unlike the raw weights."""
    start = model.module.head.weight.detach().clone()
    spec = TrainSpec(epochs=2, batch_size=16, lr=1e-2, ema=0.999)
    fit(model.module, images.batches(0, 48), images.batches(72, 96), spec, context)
    averaged = (model.module.head.weight - start).abs().mean()
    plain = spec.model_copy(update={"ema": None})
    fit(model.module, images.batches(0, 48), images.batches(72, 96), plain, context)
    assert 0 < averaged < (model.module.head.weight - start).abs().mean()


@pytest.mark.parametrize("value", [0, 1, 1.5])
def test_shares_outside_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="ema"):
        TrainSpec(ema=value)
