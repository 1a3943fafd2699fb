"""One step of the optimizer: forward and backward passes over the micro-batches, then the change of the weights."""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor, nn

from bench.measure.step_timer import StepTimer
from bench.study.train import TrainSpec
from bench.training.inputs.mixup import MixedBatch
from bench.training.optim.optimizer import autocast, grad_scaler, make_optimizer, set_rate

__all__ = ["Diverged", "Step"]


class Diverged(Exception):  # noqa: N818 - an outcome of training, reported as a status and never shown as an error
    """The loss is not finite any more."""


class Step:
    """Trains a module: `accumulate` the micro-batches of a batch, then `apply_gradients` to its weights.

    The gradient is that of the batch's mean loss, however many micro-batches it comes in; with class weights, of the
    weighted mean.
    """

    def __init__(
        self,
        module: nn.Module,
        spec: TrainSpec,
        device: torch.device,
        precision: str,
        weights: np.ndarray | None,
        timer: StepTimer | None = None,
    ) -> None:
        """weights: of the classes in the loss. timer: called when a forward pass, a backward pass, a change is over."""
        self.optimizer = make_optimizer(module, spec)
        self.scaler = grad_scaler(device, precision)
        self._module = module
        self._spec = spec
        self._device = device
        self._precision = precision
        self._trainable = [p for p in module.parameters() if p.requires_grad]
        self._timer = timer or StepTimer(lambda: None, every=sys.maxsize)
        self._weights = None if weights is None else torch.from_numpy(weights).to(device, torch.float32)

    def accumulate(self, batch: MixedBatch, share: float) -> tuple[Tensor, Tensor]:
        """Add a micro-batch's gradients.

        share: what it is of its batch, images by images. Returns the mean loss of the micro-batch, a scalar, and
        its logits (b, classes), both without gradients.
        """
        with autocast(self._device, self._precision):
            logits = self._module(batch.inputs)
        loss = self._loss(logits.float(), batch)
        self._timer.end("forward")
        self.scaler.scale(loss * share if share != 1 else loss).backward()  # type: ignore[no-untyped-call]
        self._timer.end("backward")
        return loss.detach(), logits.detach()

    def apply_gradients(self, rate: float) -> None:
        """Change the weights by the gradients added since the last time, and forget these."""
        self._timer.mark()
        set_rate(self.optimizer, rate)
        if self._spec.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self._trainable, self._spec.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self._timer.end("optimizer")

    def _loss(self, logits: Tensor, batch: MixedBatch) -> Tensor:
        loss = self._entropy(logits, batch.first)
        if batch.share == 1:
            return loss
        return batch.share * loss + (1 - batch.share) * self._entropy(logits, batch.second)

    def _entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, averaged over images; class weights average 1 over the training images, not over a batch."""
        smoothing = self._spec.label_smoothing
        if self._weights is None:
            return nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        each = nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        return (each * self._weights[labels]).mean()
