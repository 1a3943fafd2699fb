"""Heads on features: tuned, nearest neighbors, logistic regression."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from bench.results.settings import CellSettings
from bench.study.train import Head, TrainSpec
from bench.training.heads.baselines import KnnHead, fit_knn, fit_logistic
from bench.training.heads.linear_probe import learn
from bench.training.heads.plan import Plan
from bench.training.inputs.batches import FeatureBatches
from bench.training.loop import Epoch, TrainCallbacks, TrainContext, silent

CPU = torch.device("cpu")


def _features(count: int, seed: int, classes: int = 3, views: int = 1) -> FeatureBatches:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, count)
    centers = np.random.default_rng(9).normal(size=(classes, 12)) * 1.2
    features = centers[labels] + draw.normal(size=(views, count, 12))
    return FeatureBatches(torch.from_numpy(features).float() * 5 + 2, labels, CPU)


def _plan(train: FeatureBatches, validation: FeatureBatches) -> Plan:
    torch.manual_seed(0)
    return Plan(nn.Linear(12, 3), train, validation, None, CellSettings())


def test_the_tuned_head_is_the_best_of_the_grid(context: TrainContext) -> None:
    train, validation = _features(120, 0), _features(60, 1)
    spec = TrainSpec(epochs=4, lr=1e-6, weight_decay=0.0, select="loss", tune_head=True)
    reported: list[Epoch] = []
    tuned = learn(_plan(train, validation), spec, context, TrainCallbacks(reported.append, silent.on_progress), None)
    plain = learn(_plan(train, validation), spec.model_copy(update={"tune_head": False}), context, silent, None)
    chosen = tuned.settings
    assert chosen.head_candidates == 13
    assert chosen.head_lr is not None
    assert chosen.head_lr > 1e-6
    assert chosen.head_tuning_seconds is not None
    assert chosen.head_tuning_seconds > 0
    assert tuple(reported) == tuned.result.history
    assert reported[tuned.result.best_epoch - 1].validation.loss < min(e.validation.loss for e in plain.result.history)
    again = spec.model_copy(update={"tune_head": False, "lr": chosen.head_lr, "weight_decay": chosen.head_weight_decay})
    alone = _plan(train, validation)
    learn(alone, again, context, silent, None)
    assert torch.equal(alone.learner.get_parameter("weight"), tuned.learner.get_parameter("weight"))


@pytest.mark.parametrize("head", ["knn", "logistic"])
def test_a_baseline_takes_the_place_of_the_head(context: TrainContext, head: Head) -> None:
    train, validation = _features(120, 0), _features(60, 1)
    reported: list[Epoch] = []
    spec = TrainSpec(head=head)
    found = learn(_plan(train, validation), spec, context, TrainCallbacks(reported.append, silent.on_progress), None)
    assert (found.result.best_epoch, len(reported)) == (1, 1)
    assert found.settings.head == head
    assert reported[0].validation.accuracy > 0.6
    with torch.inference_mode():
        assert np.allclose(found.learner(validation.features[0]).numpy(), found.result.validation_logits)


def test_the_regression_is_scikit_learns(context: TrainContext) -> None:
    train, validation = _features(120, 0), _features(60, 1)
    solved = fit_logistic(train, validation, TrainSpec(select="loss"), context)
    inputs, checked = train.features[0].numpy(), validation.features[0].numpy()
    mean, deviation = inputs.mean(0), inputs.std(0)
    model = LogisticRegression(C=solved.settings.head_c, max_iter=1000, tol=1e-8)
    model.fit((inputs - mean) / deviation, train.labels)
    expected = model.predict_proba((checked - mean) / deviation)
    with torch.inference_mode():
        found = solved.learner(validation.features[0]).softmax(1).numpy()
    assert np.allclose(found, expected, atol=0.01)


def test_the_regression_takes_two_classes(context: TrainContext) -> None:
    train, validation = _features(80, 0, classes=2), _features(40, 1, classes=2)
    context = type(context)(**{**context.__dict__, "classes": 2})
    assert fit_logistic(train, validation, TrainSpec(), context).result.history[0].validation.accuracy > 0.7


def test_the_regression_takes_a_class_without_training_images(context: TrainContext) -> None:
    train, validation = _features(80, 0, classes=2), _features(40, 1, classes=3)
    solved = fit_logistic(train, validation, TrainSpec(), context)
    assert set(solved.result.validation_logits.argmax(1)) == {0, 1}


def test_one_neighbor_is_scikit_learns(context: TrainContext) -> None:
    train, validation = _features(120, 0), _features(60, 1)
    head = KnnHead(train.features[0], torch.from_numpy(train.labels), 3, 1)
    model = KNeighborsClassifier(1, metric="cosine").fit(train.features[0], train.labels)
    assert head(validation.features[0]).argmax(1).tolist() == model.predict(validation.features[0]).tolist()


def test_votes_are_shares() -> None:
    train = _features(50, 0)
    head = KnnHead(train.features[0], torch.from_numpy(train.labels), 3, 10)
    assert torch.allclose(head(train.features[0]).exp().sum(1), torch.ones(50), atol=1e-4)


def test_no_image_votes_on_itself(context: TrainContext) -> None:
    """With random labels, neighbors are at chance on the training images too."""
    train, validation = _features(300, 0), _features(60, 1)
    shuffled = FeatureBatches(train.features, np.random.default_rng(5).integers(0, 3, 300), CPU)
    assert fit_knn(shuffled, validation, TrainSpec(), context).result.history[0].train.accuracy < 0.5


def test_neighbors_in_parts_are_those_of_all_at_once(context: TrainContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.training.heads.baselines._ROWS", 32)
    train, validation = _features(150, 0, views=2), _features(70, 1)
    solved = fit_knn(train, validation, TrainSpec(), context)
    assert np.allclose(solved.result.validation_logits, solved.learner(validation.features[0]), atol=1e-5)
    head = KnnHead(train.features.flatten(0, 1), torch.from_numpy(np.tile(train.labels, 2)), 3, 10)
    likeness = head.features @ head.features.T
    of_one_image = torch.arange(300)[:, None] % 150 == torch.arange(300) % 150
    near = likeness.masked_fill(of_one_image, -2.0).topk(10)
    votes = torch.zeros(300, 3).scatter_add_(1, head.labels[near.indices], (near.values / 0.07).softmax(1))
    assert torch.allclose(head.leave_one_out(150), (votes + 1e-6).log(), atol=1e-4)


def test_the_views_of_an_image_do_not_vote_on_each_other(context: TrainContext) -> None:
    """With random labels: two views that are nearly the same would give each other their label."""
    one, validation = _features(300, 0), _features(60, 1)
    views = torch.cat([one.features, one.features + 1e-4])
    shuffled = FeatureBatches(views, np.random.default_rng(5).integers(0, 3, 300), CPU)
    assert fit_knn(shuffled, validation, TrainSpec(), context).result.history[0].train.accuracy < 0.5


def test_the_neighbors_of_an_only_image() -> None:
    head = KnnHead(torch.ones(1, 4), torch.zeros(1, dtype=torch.long), 3, 5)
    assert torch.isfinite(head.leave_one_out(1)).all()


@pytest.mark.slow
def test_neighbors_take_memory_for_a_part_of_the_rows() -> None:
    script = (
        "import re, torch\n"
        "from pathlib import Path\n"
        "from bench.training.heads.baselines import KnnHead\n"
        "def peak():\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024\n"
        "head = KnnHead(torch.randn(10_000, 8), torch.zeros(10_000, dtype=torch.long), 2, 5)\n"
        "before = peak()\n"
        "head.leave_one_out(10_000)\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200  # MiB; all likenesses at once take 381


@pytest.mark.parametrize("head", ["knn", "logistic"])
def test_all_views_are_used(context: TrainContext, head: Head) -> None:
    train, validation = _features(60, 0, views=2), _features(60, 1)
    found = learn(_plan(train, validation), TrainSpec(head=head), context, silent, None)
    assert found.result.history[0].validation.accuracy > 0.6


@pytest.mark.parametrize("tune", [False, True])
def test_a_head_learned_on_standardized_features_takes_them_as_they_are(context: TrainContext, tune: bool) -> None:
    train, validation = _features(120, 0, views=2), _features(60, 1)
    as_they_are = validation.features[0].clone()
    spec = TrainSpec(epochs=3, lr=1e-2, standardize=True, tune_head=tune)
    found = learn(_plan(train, validation), spec, context, silent, None)
    with torch.inference_mode():
        predicted = found.learner(as_they_are).numpy()
    assert np.allclose(predicted, found.result.validation_logits, atol=1e-4)
    assert train.features.flatten(0, 1).mean(0).abs().max() < 1e-5
    assert found.settings.standardized is True


@pytest.mark.parametrize("wrong", [{"cache_features": False}, {"mixup": 0.1}])
@pytest.mark.parametrize("head", [{"head": "knn"}, {"tune_head": True}, {"standardize": True}])
def test_heads_need_features(wrong: dict[str, Any], head: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cached features"):
        TrainSpec(**wrong, **head)
