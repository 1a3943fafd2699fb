"""Heads that are solved and not trained: logistic regression and nearest neighbors, on features.

Their history is a single epoch whose scores, on the training images too, are those of the solution.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from bench.results.settings import CellSettings
from bench.study.train import TrainSpec
from bench.training.heads.plan import HeadResult
from bench.training.inputs.batches import FeatureBatches
from bench.training.loop import Epoch, TrainContext, TrainResult
from bench.training.scores import rank, score_logits

__all__ = ["KnnHead", "fit_knn", "fit_logistic"]

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_NEIGHBORS = (1, 5, 10, 20)
_TEMPERATURE = 0.07
_STEPS = 200
_ROWS = 1024  # whose similarities to all training features are held at once; those of all rows may not fit in memory


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
        logits = []
        for part, own in zip(torch.split(self.features, _ROWS), torch.split(which, _ROWS), strict=True):
            similarity = part @ self.features.T
            logits.append(self._votes(similarity.masked_fill_(own[:, None] == which, -torch.inf)))
        return torch.cat(logits)

    def _votes(self, similarity: Tensor) -> Tensor:
        near, index = similarity.topk(min(self.neighbors, similarity.shape[1]), dim=1)
        votes = torch.zeros(len(similarity), self.classes, device=similarity.device)
        votes.scatter_add_(1, self.labels[index], (near / _TEMPERATURE).softmax(dim=1))
        return (votes + 1e-6).log()


def fit_knn(train: FeatureBatches, validation: FeatureBatches, spec: TrainSpec, context: TrainContext) -> HeadResult:
    """Nearest neighbors, their number chosen on validation."""
    started = time.perf_counter()
    features, labels = _flat(train)
    found = []
    for neighbors in _NEIGHBORS:
        head = KnnHead(features, labels.to(features.device), context.classes, neighbors).to(context.device)
        logits = head.leave_one_out(len(train.labels))
        found.append(
            _solved(head, logits, train, validation, spec, context, CellSettings(head="knn", head_neighbors=neighbors))
        )
    return _best(found, spec, started)


def fit_logistic(
    train: FeatureBatches, validation: FeatureBatches, spec: TrainSpec, context: TrainContext
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
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation decides on what 200 steps have reached
            model.fit(scaled, labels.numpy())
        head = _linear(model, mean, deviation, context.classes).to(context.device)
        with torch.inference_mode():
            logits = head(features.to(context.device))
        settings = CellSettings(head="logistic", head_c=strength)
        found.append(_solved(head, logits, train, validation, spec, context, settings))
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
    spec: TrainSpec,
    context: TrainContext,
    settings: CellSettings,
) -> HeadResult:
    with torch.inference_mode():
        parts = [head(part.to(context.device)) for part in torch.split(validation.features[0], _ROWS)]
    logits = torch.cat(parts).cpu().numpy()
    labels = np.tile(train.labels, len(train_logits) // len(train.labels))
    learned = score_logits(train_logits.cpu().numpy(), labels, context.classes, spec.select)
    checked = score_logits(logits, validation.labels, context.classes, spec.select)
    epoch = Epoch(1, 0.0, learned, checked, 0.0, 0.0, 0.0)
    return HeadResult(head, TrainResult(1, (epoch,), logits), settings)


def _best(found: list[HeadResult], spec: TrainSpec, started: float) -> HeadResult:
    """The best on validation; its epoch gets the seconds that all of them took together."""
    best = max(found, key=lambda solved: rank(solved.result.history[0].validation, spec))
    epoch = replace(best.result.history[0], train_seconds=time.perf_counter() - started)
    return replace(best, result=replace(best.result, history=(epoch,)))
