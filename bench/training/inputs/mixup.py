"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): training images blended with others of their batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.study.train import TrainSpec
from bench.training.inputs.random_streams import numbers

__all__ = ["MixedBatch", "Mixer", "unmixed"]


@dataclass(frozen=True)
class MixedBatch:
    """A batch whose images each show two labels, ``share`` of the first and the rest of the second."""

    inputs: Tensor
    """The blended images, (b, 3, height, width), or features, (b, features)."""
    first: Tensor
    """Labels, (b,)."""
    second: Tensor
    """Labels of the images blended in, (b,)."""
    share: float
    """Of the first label, from 0 to 1; the same for the whole batch."""

    @property
    def main(self) -> Tensor:
        """The label that has the larger share, (b,)."""
        return self.first if self.share >= 0.5 else self.second


def unmixed(inputs: Tensor, labels: Tensor) -> MixedBatch:
    """A batch as it is."""
    return MixedBatch(inputs, labels, labels, 1.0)


class Mixer:
    """Blends the batches of one epoch by the study's settings."""

    def __init__(self, spec: TrainSpec, seed: int, epoch: int) -> None:
        self._mixup, self._cutmix = spec.mixup, spec.cutmix
        self._draw = numbers(seed, "mix", epoch)

    def __call__(self, inputs: Tensor, labels: Tensor) -> MixedBatch:
        """Return the batch (b, channels, height, width), each image blended with another one's; inputs may change."""
        if not self._mixup and not self._cutmix:
            return unmixed(inputs, labels)
        order = torch.from_numpy(self._draw.permutation(len(labels))).to(inputs.device)
        pastes = self._cutmix > 0 and (self._mixup == 0 or self._draw.random() < 0.5)
        alpha = self._cutmix if pastes else self._mixup
        share = float(self._draw.beta(alpha, alpha))
        if pastes:
            share = _paste(inputs, inputs[order], share, self._draw)
        else:
            inputs = inputs.lerp(inputs[order], 1 - share)
        return MixedBatch(inputs, labels, labels[order], share)


def _paste(target: Tensor, source: Tensor, share: float, draw: np.random.Generator) -> float:
    """Paste a rectangle of about 1 - share of the area into all images; returns the share that is left."""
    height, width = target.shape[2:]
    side = math.sqrt(1 - share)
    y, x = draw.integers(height), draw.integers(width)
    top, bottom = (int(np.clip(y + sign * height * side / 2, 0, height)) for sign in (-1, 1))
    left, right = (int(np.clip(x + sign * width * side / 2, 0, width)) for sign in (-1, 1))
    target[:, :, top:bottom, left:right] = source[:, :, top:bottom, left:right]
    return 1 - (bottom - top) * (right - left) / (height * width)
