"""Rare classes count as much as common ones, where the study asks for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from bench.study.train import TrainSpec
from bench.training.inputs.class_balance import class_weights, epoch_order
from bench.training.inputs.mixup import unmixed
from bench.training.step import Step

LABELS = np.repeat([0, 1, 2], [900, 90, 10])


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=200))
def test_weights_are_those_of_scikit_learn(values: list[int]) -> None:
    labels = np.array(values)
    there = np.unique(labels)
    weights = class_weights(labels, 5)
    assert weights[there] == pytest.approx(compute_class_weight("balanced", classes=there, y=labels))
    assert weights[labels].mean() == pytest.approx(1)


@given(st.integers(0, 50), st.integers(1, 50))
def test_an_epoch_takes_each_image_once(seed: int, epoch: int) -> None:
    order = epoch_order(LABELS, TrainSpec(), seed, epoch)
    assert sorted(order) == list(range(1000))
    assert not np.array_equal(order, epoch_order(LABELS, TrainSpec(), seed, epoch + 1))


def test_balanced_sampling_takes_each_class_alike() -> None:
    spec = TrainSpec(balance="sampling")
    chosen = np.concatenate([epoch_order(LABELS, spec, 0, epoch) for epoch in range(1, 31)])
    shares = np.bincount(LABELS[chosen]) / len(chosen)
    assert len(chosen) == 30 * len(LABELS)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.01)


def test_weights_enter_the_gradient() -> None:
    """The gradient of a weighted batch is that of the weighted mean loss."""
    inputs, labels = torch.randn(6, 4), torch.tensor([0, 0, 0, 0, 1, 2])
    weights = class_weights(labels.numpy(), 3)
    module = nn.Linear(4, 3)
    step = Step(module, TrainSpec(), torch.device("cpu"), "fp32", weights)
    loss, _ = step.accumulate(unmixed(inputs, labels), 1.0)
    expected = nn.functional.cross_entropy(module(inputs), labels, weight=torch.from_numpy(weights).float())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)  # the weights of all training images average 1
