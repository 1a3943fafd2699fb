"""Heads that are solved and not trained: logistic regression and nearest neighbors, on features.

Their history is a single epoch whose scores, on the training images too, are those of the solution.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from bench.study.train import TrainSpec
from bench.training.inputs.batches import FeatureBatches
from bench.training.loop import Epoch, TrainContext, TrainResult
from bench.training.scores import rank, score_logits

__all__ = ["HeadResult", "KnnHead", "fit_knn", "fit_logistic"]

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_NEIGHBORS = (1, 5, 10, 20)
_TEMPERATURE = 0.07
_STEPS = 200
_ROWS = 1024  # whose likenesses to all training features are held at once; those of all rows may not fit in memory


@dataclass(frozen=True)
class HeadResult:
    """A head, what it says of the validation images, and the setting that was chosen on them."""

    head: nn.Module
    epoch: Epoch
    validation_logits: np.ndarray
    settings: dict[str, Any]

    @property
    def fitted(self) -> TrainResult:
        """The same as the loop would tell it."""
        return TrainResult(1, (self.epoch,), self.validation_logits)


class KnnHead(nn.Module):
    """Weighted votes of the nearest training features, by cosine (Wu et al. 2018, with their temperature of 0.07)."""

    def __init__(self, features: Tensor, labels: Tensor, classes: int, neighbors: int) -> None:
        super().__init__()
        self.features: Tensor
        self.labels: Tensor
        self.register_buffer("features", nn.functional.normalize(features))
        self.register_buffer("labels", labels)
        self.classes = classes
        self.neighbors = neighbors

    def forward(self, features: Tensor) -> Tensor:
        """Features (b, width) to the logarithm of each class's share of the votes, (b, classes)."""
        return self._votes(nn.functional.normalize(features) @ self.features.T)

    def leave_one_out(self, images: int) -> Tensor:
        """The same for the training features, where no view of an image has a vote on another of its views.

        images: how many there are; the features hold all of them once for each view, one view after the other.
        """
        if images == 1:
            return torch.zeros(len(self.features), self.classes, device=self.features.device)  # nobody to ask
        which = torch.arange(len(self.features), device=self.features.device) % images
        said = []
        for part, own in zip(torch.split(self.features, _ROWS), torch.split(which, _ROWS), strict=True):
            likeness = part @ self.features.T
            said.append(self._votes(likeness.masked_fill_(own[:, None] == which, -torch.inf)))
        return torch.cat(said)

    def _votes(self, likeness: Tensor) -> Tensor:
        near, index = likeness.topk(min(self.neighbors, likeness.shape[1]), dim=1)
        votes = torch.zeros(len(likeness), self.classes, device=likeness.device)
        votes.scatter_add_(1, self.labels[index], (near / _TEMPERATURE).softmax(dim=1))
        return (votes + 1e-6).log()


def fit_knn(train: FeatureBatches, validation: FeatureBatches, spec: TrainSpec, conditions: TrainContext) -> HeadResult:
    """Nearest neighbors, their number chosen on validation."""
    started = time.perf_counter()
    features, labels = _flat(train)
    found = []
    for neighbors in _NEIGHBORS:
        head = KnnHead(features, labels.to(features.device), conditions.classes, neighbors).to(conditions.device)
        said = head.leave_one_out(len(train.labels))
        found.append(_solved(head, said, train, validation, conditions, {"neighbors": neighbors}))
    return _best(found, spec, started)


def fit_logistic(
    train: FeatureBatches, validation: FeatureBatches, spec: TrainSpec, conditions: TrainContext
) -> HeadResult:
    """Multinomial logistic regression with an L2 penalty, its strength chosen on validation.

    The features are standardized for the solver; the head that comes back takes them as they are.
    """
    started = time.perf_counter()
    features, labels = _flat(train)
    inputs = features.cpu().numpy()
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    scaled = (inputs - mean) / deviation
    found = []
    for strength in _STRENGTHS:
        weights = "balanced" if spec.balance != "none" else None
        model = LogisticRegression(C=strength, max_iter=_STEPS, class_weight=weights)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation judges what 200 steps have reached
            model.fit(scaled, labels.numpy())
        head = _linear(model, mean, deviation, conditions.classes).to(conditions.device)
        with torch.inference_mode():
            said = head(features.to(conditions.device))
        found.append(_solved(head, said, train, validation, conditions, {"C": strength}))
    return _best(found, spec, started)


def _flat(batches: FeatureBatches) -> tuple[Tensor, Tensor]:
    """All views of all images, (views x n, width), and their labels, on the CPU."""
    views = len(batches.features)
    return batches.features.flatten(0, 1), torch.from_numpy(np.tile(batches.labels, views))


def _linear(model: LogisticRegression, mean: np.ndarray, deviation: np.ndarray, classes: int) -> nn.Linear:
    """The regression as a layer that takes features which are not standardized."""
    weights, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(weights) == 1:  # of two classes scikit-learn gives the second alone
        weights, bias = np.stack([0 * weights[0], weights[0]]), np.array([0.0, bias[0]])
    head = nn.Linear(weights.shape[1], classes)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(-1e4)  # a class without a training image
        there = torch.from_numpy(model.classes_)
        head.weight[there] = torch.from_numpy(weights / deviation).float()
        head.bias[there] = torch.from_numpy(bias - (weights / deviation) @ mean).float()
    return head


def _solved(
    head: nn.Module,
    train_logits: Tensor,
    train: FeatureBatches,
    validation: FeatureBatches,
    conditions: TrainContext,
    settings: dict[str, Any],
) -> HeadResult:
    with torch.inference_mode():
        parts = [head(part.to(conditions.device)) for part in torch.split(validation.features[0], _ROWS)]
    logits = torch.cat(parts).cpu().numpy()
    labels = np.tile(train.labels, len(train_logits) // len(train.labels))
    learned = score_logits(train_logits.cpu().numpy(), labels, conditions.classes)
    checked = score_logits(logits, validation.labels, conditions.classes)
    return HeadResult(head, Epoch(1, 0.0, learned, checked, 0.0, 0.0, 0.0), logits, settings)


def _best(found: list[HeadResult], spec: TrainSpec, started: float) -> HeadResult:
    """The best on validation; its epoch gets the seconds that all of them took together."""
    best = max(found, key=lambda solved: rank(solved.epoch.validation, spec))
    seconds = time.perf_counter() - started
    record = best.epoch.to_dict() | {"train_seconds": seconds}
    return HeadResult(best.head, Epoch.from_dict(record), best.validation_logits, best.settings)
