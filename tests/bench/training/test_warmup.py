from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from bench.measure.sampling import warm_up_until_steady
from bench.study.train import TrainSpec
from bench.training import warmup
from bench.training.inputs.batches import PixelBatches
from bench.training.warmup import WarmUp, warm_up
from models_zoo.networks.builder import BuiltModel
from models_zoo.networks.classifier import Classifier
from tests.bench.training.fixtures import Images

CPU = torch.device("cpu")


def _made(module: Classifier, batches: PixelBatches, *, learns: bool = True) -> WarmUp:
    reported: list[str] = []
    made = warm_up(
        module,
        batches,
        TrainSpec(batch_size=16),
        device=CPU,
        precision="fp32",
        learns=learns,
        inference_batch=32,
        compiled=lambda: reported.append("compiled"),
    )
    assert made.compiling == 0
    assert reported == []
    return made


@pytest.mark.parametrize("learns", [True, False])
def test_it_leaves_no_trace(images: Images, model: BuiltModel, learns: bool) -> None:
    before, state = copy.deepcopy(model.module.state_dict()), torch.get_rng_state()
    _made(model.module, images.batches(0, 60, augmentation="light"), learns=learns)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())
    assert all(p.grad is None for p in model.module.parameters())


@pytest.mark.parametrize("passes", [(5.0, 4.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)])
def test_it_ends_when_a_pass_takes_a_steady_time(
    images: Images, model: BuiltModel, monkeypatch: pytest.MonkeyPatch, passes: tuple[float, ...]
) -> None:
    """Not after a fixed count: a device that is still speeding up gets more passes."""
    now, takes = [0.0], iter(passes)

    def steady(run: Callable[[], object], *, seconds: float, tolerance: float) -> tuple[tuple[float, ...], bool]:
        return warm_up_until_steady(run, seconds=seconds, tolerance=tolerance, clock=lambda: now[0])

    def one(*_: object) -> float:
        now[0] += next(takes)
        return 0.0

    monkeypatch.setattr(warmup, "_SECONDS", 1000)
    monkeypatch.setattr(warmup, "_round", one)
    monkeypatch.setattr(warmup, "warm_up_until_steady", steady)
    made = _made(model.module, images.batches(0, 60))
    assert made.steady
    assert made.passes == passes


def test_it_gives_up_when_its_seconds_are_over_and_says_so(
    images: Images, model: BuiltModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "_SECONDS", 0)
    made = _made(model.module, images.batches(0, 60))
    assert not made.steady
    assert len(made.passes) == 2
