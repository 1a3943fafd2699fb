"""Scores of a pass over training or validation images, and which of two passes is the better one."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from bench.stats import metrics
from bench.study.train import TrainSpec

__all__ = ["Scores", "rank", "score_logits", "score_predicted", "softmax"]


@dataclass(frozen=True)
class Scores:
    """Scores over a whole pass. Train scores are those of the training pass itself, before each step."""

    loss: float
    accuracy: float
    balanced_accuracy: float
    kappa: float | None
    selected: float | None = None
    """The metric that ``train.select`` names, where it is none of the above; None too where it is undefined."""


_EVERY_EPOCH = frozenset(field.name for field in fields(Scores)) - {"selected"}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of each row, (n, classes) float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def score_logits(logits: np.ndarray, labels: np.ndarray, classes: int, select: str = "loss") -> Scores:
    """Scores of logits (n, classes); the loss is the plain cross-entropy, without smoothing, weights or mixing.

    select: as ``train.select``; what it names is among the scores.
    """
    wide = logits.astype(np.float64)
    top = wide.max(axis=1)
    loss = np.log(np.exp(wide - top[:, None]).sum(axis=1)) + top - wide[np.arange(len(labels)), labels]
    return score_predicted(float(loss.mean()), labels, logits.argmax(axis=1), classes, select)


def score_predicted(
    loss: float, labels: np.ndarray, predicted: np.ndarray, classes: int, select: str = "loss"
) -> Scores:
    """Scores of predicted classes (n,), with a loss that is known already. select: as in `score_logits`."""
    matrix = metrics.confusion_matrix(labels, predicted, classes)
    scores = Scores(loss, metrics.accuracy(matrix), metrics.balanced_accuracy(matrix), metrics.cohen_kappa(matrix))
    if select in _EVERY_EPOCH:
        return scores
    value = float(metrics.formulas()[select](matrix.astype(np.float64)))
    return scores if math.isnan(value) else replace(scores, selected=value)


def rank(score: Scores, spec: TrainSpec) -> tuple[float, float]:
    """A key for `max`: more is better; a tie goes to the lower loss, and then to whoever came first."""
    if spec.select == "loss":
        return -score.loss, 0.0
    value = getattr(score, spec.select if spec.select in _EVERY_EPOCH else "selected")
    if value is None:
        return -math.inf, -score.loss
    return (value if metrics.METRICS.load(spec.select).higher_is_better else -value), -score.loss
