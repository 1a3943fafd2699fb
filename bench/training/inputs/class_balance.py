"""Rare classes: the order of an epoch's images, and the weight of each class in the loss."""

from __future__ import annotations

import numpy as np

from bench.study.train import TrainSpec
from bench.training.inputs.random_streams import numbers

__all__ = ["class_weights", "epoch_order"]


def epoch_order(labels: np.ndarray, spec: TrainSpec, seed: int, epoch: int) -> np.ndarray:
    """Return the positions of an epoch's images in the order of training, (n,) int64.

    With balanced sampling each draw takes every class that is there with the same probability, with repeats.
    """
    draw = numbers(seed, "order", epoch)
    if spec.balance != "sampling":
        return draw.permutation(len(labels))
    weights = class_weights(labels, int(labels.max()) + 1)[labels]
    return draw.choice(len(labels), size=len(labels), replace=True, p=weights / weights.sum())


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return n / (classes there x images of the class) for each class, (classes,) float64; 1 where it has no image.

    This is scikit-learn's "balanced" (King & Zeng 2001): the weights of all images average 1.
    """
    counts = np.bincount(labels, minlength=classes)
    present = int((counts > 0).sum())
    return np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 1.0)
