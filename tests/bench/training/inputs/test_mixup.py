"""Mixup and CutMix blend images and labels by one and the same share."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.study.train import TrainSpec
from bench.training.inputs.mixup import Mixer


def _batch(count: int = 6, side: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image is filled with its own number, which is its label too."""
    labels = torch.arange(count)
    return labels.float().view(-1, 1, 1, 1).expand(-1, 3, side, side).clone(), labels


@given(st.integers(0, 1000), st.sampled_from(["mixup", "cutmix"]), st.floats(0.1, 3))
def test_pixels_and_labels_have_the_same_share(seed: int, kind: str, alpha: float) -> None:
    inputs, labels = _batch()
    mixed = Mixer(TrainSpec.model_validate({kind: alpha}), seed, 1)(inputs.clone(), labels)
    expected = mixed.share * mixed.first + (1 - mixed.share) * mixed.second
    assert 0 <= mixed.share <= 1
    assert torch.allclose(mixed.inputs.mean(dim=(1, 2, 3)), expected.float(), atol=1e-4)
    assert mixed.first.tolist() == labels.tolist()
    assert sorted(mixed.second.tolist()) == labels.tolist()


def test_cutmix_pastes_whole_pixels() -> None:
    inputs, labels = _batch()
    mixed = Mixer(TrainSpec(cutmix=1.0), 0, 1)(inputs, labels)
    for image, first, second in zip(mixed.inputs, mixed.first, mixed.second, strict=True):
        assert set(image.flatten().tolist()) <= {float(first), float(second)}


def test_off_leaves_the_batch_alone() -> None:
    inputs, labels = _batch()
    mixed = Mixer(TrainSpec(), 0, 1)(inputs, labels)
    assert mixed.inputs is inputs
    assert mixed.share == 1
    assert mixed.main is labels


def test_both_take_turns() -> None:
    draw = Mixer(TrainSpec(mixup=1.0, cutmix=1.0), 0, 1)
    pasted = [len(set(draw(*_batch()).inputs[0].flatten().tolist())) == 2 for _ in range(40)]
    assert 5 < sum(pasted) < 35


def test_an_epoch_draws_the_same_again() -> None:
    one, same, other = (Mixer(TrainSpec(mixup=0.4), 3, epoch)(*_batch()) for epoch in (1, 1, 2))
    assert torch.equal(one.inputs, same.inputs)
    assert not torch.equal(one.inputs, other.inputs)


def test_the_main_label_has_the_larger_share() -> None:
    inputs, labels = _batch()
    found = [Mixer(TrainSpec(mixup=1.0), seed, 1)(inputs, labels) for seed in range(20)]
    assert all(mixed.main is (mixed.first if mixed.share >= 0.5 else mixed.second) for mixed in found)
    assert {mixed.share >= 0.5 for mixed in found} == {True, False}


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_memory_format_stays(channels_last: bool) -> None:
    inputs, labels = _batch()
    if channels_last:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    for kind in ("mixup", "cutmix"):
        mixed = Mixer(TrainSpec.model_validate({kind: 1.0}), 1, 1)(inputs, labels)
        assert mixed.inputs.is_contiguous(memory_format=torch.channels_last) is channels_last
