"""The loop, on real models: it learns, repeats itself, keeps the best epoch, and reports when it diverges."""

from __future__ import annotations

import copy
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from bench.study.train import TrainSpec
from bench.training.inputs.batches import FeatureBatches, PixelBatches
from bench.training.loop import Epoch, TrainCallbacks, TrainContext, fit
from bench.training.predict import predict
from bench.training.scores import rank, score_logits, softmax
from bench.training.step import Diverged
from models_zoo.networks.builder import BuiltModel
from tests.bench.training.fixtures import Images, MakeModel

Balance = Literal["none", "weights"]
CPU = torch.device("cpu")
SPEC = TrainSpec(epochs=3, batch_size=16, lr=1e-3, warmup_epochs=1, augment="light")


def _predicted(module: nn.Module, batches: PixelBatches) -> np.ndarray:
    return predict(module, batches, np.arange(len(batches.labels)), 32, CPU, "fp32")


def test_it_learns(images: Images, model: BuiltModel, context: TrainContext) -> None:
    spec = TrainSpec(epochs=6, batch_size=16, lr=5e-4)
    fitted = fit(model.module, images.batches(0, 72), images.batches(72, 96), spec, context)
    assert fitted.history[-1].train.loss < 0.7 * fitted.history[0].train.loss
    assert fitted.history[fitted.best_epoch - 1].validation.accuracy > 0.6


def test_the_same_seed_gives_the_same_numbers(images: Images, model: BuiltModel, context: TrainContext) -> None:
    runs = []
    for module in (model.module, copy.deepcopy(model.module)):
        torch.rand(5)  # whatever was sampled before does not matter
        fitted = fit(module, images.batches(0, 48, augmentation="light"), images.batches(72, 96), SPEC, context)
        runs.append((fitted, _predicted(module, images.batches(48, 72))))
    (one, predicted), (same, again) = runs
    assert np.array_equal(predicted, again)
    assert [e.validation for e in one.history] == [e.validation for e in same.history]
    assert [e.train for e in one.history] == [e.train for e in same.history]


def test_another_seed_gives_other_numbers(images: Images, model: BuiltModel, context: TrainContext) -> None:
    other = copy.deepcopy(model.module)
    one = fit(model.module, images.batches(0, 48), images.batches(72, 96), SPEC, context)
    context = type(context)(**{**context.__dict__, "seed": 1})
    two = fit(other, images.batches(0, 48), images.batches(72, 96), SPEC, context)
    assert one.history[0].train.loss != two.history[0].train.loss


@pytest.mark.parametrize("select", ["accuracy", "balanced_accuracy", "kappa", "loss"])
def test_the_best_epoch_by_validation_is_left_in_the_module(
    images: Images, model: BuiltModel, context: TrainContext, select: str
) -> None:
    spec = SPEC.model_copy(update={"select": select, "epochs": 4, "lr": 3e-3})
    validation = images.batches(72, 96)
    fitted = fit(model.module, images.batches(0, 48), validation, spec, context)
    best = max(fitted.history, key=lambda epoch: rank(epoch.validation, spec))
    assert best.epoch == fitted.best_epoch
    logits = _predicted(model.module, validation)
    assert np.allclose(logits, fitted.validation_logits, atol=1e-5)
    assert score_logits(logits, validation.labels, 3).loss == pytest.approx(best.validation.loss, abs=1e-5)


def test_the_parts_of_every_step_are_timed_one_by_one(images: Images, model: BuiltModel, context: TrainContext) -> None:
    spec = TrainSpec(epochs=2, batch_size=16, micro_batch=8)
    fitted = fit(model.module, images.batches(0, 40), images.batches(72, 96), spec, context)
    assert fitted.steps[:, 0].tolist() == [1] * 5 + [2] * 5  # 16 + 16 + 8 images in micro-batches of 8
    assert (fitted.steps[:, 1:4] > 0).all()
    assert np.isnan(fitted.steps[:, 4]).tolist() == [True, False, True, False, False] * 2
    shares = [
        np.nansum(fitted.steps[fitted.steps[:, 0] == epoch.epoch, 1:]) / epoch.train_seconds for epoch in fitted.history
    ]
    assert 0.8 < max(shares) < 1, "other work on the machine can only add between the parts"


def test_a_last_batch_of_one_image_is_no_trouble(images: Images, context: TrainContext, small: MakeModel) -> None:
    module = small("resnet18").module
    fitted = fit(module, images.batches(0, 33), images.batches(72, 73), SPEC, context)
    assert len(fitted.history) == 3


def test_the_validation_images_teach_nothing(images: Images, model: BuiltModel, context: TrainContext) -> None:
    other = copy.deepcopy(model.module)
    spec = TrainSpec(epochs=1, batch_size=16)
    fit(model.module, images.batches(0, 48), images.batches(48, 60), spec, context)
    fit(other, images.batches(0, 48), images.batches(60, 96), spec, context)
    trainable_state_dict = other.state_dict()
    assert all(torch.equal(value, trainable_state_dict[name]) for name, value in model.module.state_dict().items())


@pytest.mark.parametrize("name", ["vit_tiny_p16", "resnet18"])
def test_a_loss_that_is_not_finite_ends_it(images: Images, context: TrainContext, small: MakeModel, name: str) -> None:
    spec = TrainSpec(epochs=3, batch_size=16, lr=100, optimizer="sgd", clip_norm=None, warmup_epochs=0)
    with pytest.raises(Diverged, match=r"loss of epoch \d.* is (nan|inf)"):
        fit(small(name).module, images.batches(0, 48), images.batches(72, 96), spec, context)


def test_everyone_is_notified(images: Images, context: TrainContext, small: MakeModel) -> None:
    epochs: list[Epoch] = []
    steps: list[tuple[int, int, int]] = []
    callbacks = TrainCallbacks(epochs.append, lambda epoch, done, count, _: steps.append((epoch, done, count)))
    spec = TrainSpec(epochs=2, batch_size=20)
    fitted = fit(small("vit_tiny_p16").module, images.batches(0, 48), images.batches(72, 96), spec, context, callbacks)
    assert tuple(epochs) == fitted.history
    assert steps == [(e, done, 48) for e in (1, 2) for done in (20, 40, 48)]


def _linear(width: int = 5) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(width, 3)


def _features(count: int = 60, width: int = 5) -> FeatureBatches:
    draw = np.random.default_rng(0)
    labels = np.arange(count) % 3
    features = draw.normal(size=(1, count, width)).astype(np.float32)
    features[0, :, 0] += labels
    return FeatureBatches(torch.from_numpy(features), labels.astype(np.int64), CPU)


@pytest.mark.parametrize("balance", ["none", "weights"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_small_pieces_add_up_to_the_whole_batch(context: TrainContext, balance: Balance, smoothing: float) -> None:
    spec = TrainSpec(epochs=3, batch_size=25, balance=balance, label_smoothing=smoothing)
    one, many = _linear(), _linear()
    whole = fit(one, _features(), _features(30), spec, context)
    parts = fit(many, _features(), _features(30), spec.model_copy(update={"micro_batch": 4}), context)
    assert torch.allclose(one.weight, many.weight, atol=1e-5)
    assert whole.history[-1].train.loss == pytest.approx(parts.history[-1].train.loss, abs=1e-5)


def test_patience_stops_early(context: TrainContext) -> None:
    spec = TrainSpec(epochs=50, batch_size=20, lr=1e-9, select="accuracy", patience=3)
    fitted = fit(_linear(), _features(), _features(30), spec, context)
    assert len(fitted.history) == fitted.best_epoch + 3 < 50


def test_a_step_by_hand(context: TrainContext) -> None:
    """One epoch of one batch with plain SGD is one step down the gradient of the mean loss."""
    module, data = _linear(), _features(24)
    spec = TrainSpec(epochs=1, batch_size=24, optimizer="sgd", momentum=0, lr=0.5, weight_decay=0, warmup_epochs=0)
    start = module.weight.detach().clone().double()
    inputs = data.features[0].double()
    shares = torch.softmax(inputs @ start.T + module.bias.detach().double(), 1)
    shares[range(24), data.labels] -= 1
    gradient = shares.T @ inputs / 24
    bias = shares.mean(0)
    norm = (gradient.square().sum() + bias.square().sum()).sqrt()
    fit(module, data, data, spec, context)
    assert torch.allclose(module.weight.double(), start - 0.5 * gradient / max(1.0, norm.item()), atol=1e-5)


def test_softmax_of_large_numbers() -> None:
    assert softmax(np.array([[1000.0, 0.0], [0.0, 0.0]], np.float32)).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_scores_of_logits_agree_with_torch() -> None:
    draw = np.random.default_rng(3)
    logits, labels = draw.normal(size=(50, 4)).astype(np.float32) * 9, draw.integers(0, 4, 50)
    expected = nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).item()
    assert score_logits(logits, labels, 4).loss == pytest.approx(expected, rel=1e-5)
