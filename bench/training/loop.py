"""The one loop that trains every model: ViT or CNN, scratch, finetune or frozen, on pixels or on cached features."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.measure.step_timer import PARTS, StepTimer
from bench.study.train import TrainSpec
from bench.training.checkpoint import Checkpoint
from bench.training.device import synchronize
from bench.training.inputs.batches import Batches, make_batches, split_microbatches
from bench.training.inputs.class_balance import class_weights, epoch_order
from bench.training.inputs.mixup import Mixer
from bench.training.inputs.random_streams import seed_of
from bench.training.optim.ema import MovingAverage, copied, load_trainable_state_dict, trainable_state_dict
from bench.training.optim.optimizer import learning_rate
from bench.training.predict import predict
from bench.training.scores import Scores, rank, score_logits, score_predicted
from bench.training.step import Diverged, Step

__all__ = ["Diverged", "Epoch", "TrainCallbacks", "TrainContext", "TrainResult", "fit", "silent"]

_TIMED = 20
"""On a device that works while Python runs ahead, every so many steps it is waited for."""


@dataclass(frozen=True)
class TrainContext:
    """Under which a module is trained, beside the study's train settings."""

    classes: int
    device: torch.device
    precision: str
    """Of the passes through the module: ``fp32``, ``bf16`` or ``fp16``."""
    seed: int
    inference_batch: int
    """Images at once where nothing learns."""


@dataclass(frozen=True)
class Epoch:
    """A line of the history."""

    epoch: int
    lr: float
    train: Scores
    validation: Scores
    train_seconds: float
    validation_seconds: float
    images_per_second: float

    def to_dict(self) -> dict[str, Any]:
        """As stored in history.jsonl and in a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Epoch:
        """The reverse of `to_dict`."""
        scores = {split: Scores(**stored[split]) for split in ("train", "validation")}
        return cls(**{**stored, **scores})


@dataclass(frozen=True)
class TrainCallbacks:
    """What is called as the training proceeds."""

    on_epoch: Callable[[Epoch], None]
    """After each epoch's validation; at a resume also for the epochs before it."""
    on_progress: Callable[[int, int, int, float], None]
    """During training: epoch, images done, images in all, the loss so far."""


def _ignore(*_: object) -> None:
    """Do nothing."""


silent = TrainCallbacks(_ignore, _ignore)
"""Calls nothing."""


@dataclass(frozen=True)
class TrainResult:
    """The outcome of training; the module holds the best epoch's weights."""

    best_epoch: int
    history: tuple[Epoch, ...]
    validation_logits: np.ndarray
    """Of the best epoch, (n, classes) float32."""
    resumed_after: int | None = None
    """The epoch after which a killed training was resumed."""
    steps: np.ndarray = field(default_factory=lambda: np.empty((0, 1 + len(PARTS)), np.float32))
    """Raw samples of the steps, as `StepTimer.samples`."""


@dataclass
class _Best:
    """The best epoch so far: its record, its weights, and what it predicted of the validation images."""

    record: Epoch
    weights: dict[str, Tensor]
    logits: np.ndarray


def fit(
    module: nn.Module,
    train: Batches,
    validation: Batches,
    spec: TrainSpec,
    context: TrainContext,
    callbacks: TrainCallbacks = silent,
    checkpoint: Checkpoint | None = None,
) -> TrainResult:
    """Train a module and leave the weights of its best epoch in it.

    module: inputs to logits (b, classes), on the device. checkpoint: where to save, and to resume from.
    Raises `Diverged` when a loss is not finite.
    """
    training = _Training(module, train, validation, spec, context, callbacks)
    resumed_after = training.resume(checkpoint)
    while not training.done:
        training.epoch()
        if checkpoint is not None and not training.done and checkpoint.due():
            checkpoint.save(training.state())
    assert training.best is not None  # a study has at least one epoch
    load_trainable_state_dict(module, training.best.weights)
    best = training.best
    return TrainResult(best.record.epoch, tuple(training.history), best.logits, resumed_after, training.timer.samples)


class _Training:
    """A training between two epochs: all that the next one needs."""

    def __init__(
        self,
        module: nn.Module,
        train: Batches,
        validation: Batches,
        spec: TrainSpec,
        context: TrainContext,
        callbacks: TrainCallbacks,
    ) -> None:
        self.history: list[Epoch] = []
        self.best: _Best | None = None
        self._module = module
        self._train, self._validation = train, validation
        self._spec, self._context, self._callbacks = spec, context, callbacks
        weights = class_weights(train.labels, context.classes) if spec.balance == "weights" else None
        every = 1 if context.device.type == "cpu" else _TIMED
        self.timer = StepTimer(partial(synchronize, context.device), every=every)
        self._step = Step(module, spec, context.device, context.precision, weights, self.timer)
        self._average = MovingAverage(module, spec.ema) if spec.ema is not None else None

    @property
    def done(self) -> bool:
        """Whether all epochs are over, or the study's patience is."""
        if len(self.history) >= self._spec.epochs:
            return True
        waited = 0 if self.best is None else len(self.history) - self.best.record.epoch
        return self._spec.patience is not None and waited >= self._spec.patience

    def epoch(self) -> None:
        """Train one epoch, validate it, and keep it if it is the best so far."""
        number, device = len(self.history) + 1, self._context.device
        torch.manual_seed(seed_of(self._context.seed, "model", number))
        started = _now(device)
        trained, rate = self._pass(number)
        middle = _now(device)
        if self._average is not None:
            self._average.swap()
        logits = self._validate()
        validated = score_logits(logits, self._validation.labels, self._context.classes, self._spec.select)
        ended = _now(device)
        seconds, count = middle - started, len(self._train.labels)
        record = Epoch(number, rate, trained, validated, seconds, ended - middle, count / seconds)
        self.history.append(record)
        self._callbacks.on_epoch(record)
        if not math.isfinite(validated.loss):
            raise Diverged(f"the validation loss of epoch {number} is {validated.loss}")
        if self.best is None or rank(validated, self._spec) > rank(self.best.record.validation, self._spec):
            self.best = _Best(record, copied(trainable_state_dict(self._module)), logits)
        if self._average is not None:
            self._average.swap()

    def _validate(self) -> np.ndarray:
        context, everything = self._context, np.arange(len(self._validation.labels))
        size, device, precision = context.inference_batch, context.device, context.precision
        return predict(self._module, self._validation, everything, size, device, precision)

    def _pass(self, number: int) -> tuple[Scores, float]:
        """One pass over the training images; returns its scores and the last learning rate."""
        spec, device = self._spec, self._context.device
        order = epoch_order(self._train.labels, spec, self._context.seed, number)
        batches = make_batches(order, spec.step_images, training=True)
        parts = [part for batch in batches for part in _parts(batch, spec.micro_batch)]
        mix = Mixer(spec, self._context.seed, number)
        self._module.train()
        total, choices, truths = torch.zeros((), device=device), [], []
        done, step, rate = 0, 0, 0.0
        inputs = self._train([part.positions for part in parts], epoch=number)
        self.timer.begin(number, 0)
        for part, (images, labels) in zip(parts, inputs, strict=True):
            mixed = mix(images, labels)
            self.timer.end("data")
            loss, logits = self._step.accumulate(mixed, part.share)
            # Waiting for the loss costs nothing on a CPU; elsewhere it would stall the queue at every step.
            value = loss.item() if device.type == "cpu" or step % _TIMED == 0 else None
            if value is not None and not math.isfinite(value):
                raise Diverged(f"the training loss of epoch {number}, step {step + 1} is {value}")
            total += loss * len(labels)
            choices.append(logits.argmax(1))
            truths.append(mixed.main)
            done += len(labels)
            if part.last:
                rate = learning_rate((number - 1) * len(batches) + step, len(batches), spec)
                self._step.apply_gradients(rate)
                step += 1
                if self._average is not None:
                    self._average.update()
            self._callbacks.on_progress(number, done, len(order), math.nan if value is None else value)
            self.timer.begin(number, step)
        mean = total.item() / done
        if not math.isfinite(mean):
            raise Diverged(f"the training loss of epoch {number} is {mean}")
        predicted, truth = torch.cat(choices).cpu().numpy(), torch.cat(truths).cpu().numpy()
        return score_predicted(mean, truth, predicted, self._context.classes, spec.select), rate

    def state(self) -> dict[str, Any]:
        """All that `resume` needs, as tensors and plain values."""
        assert self.best is not None
        average = self._average
        return {
            "history": [record.to_dict() for record in self.history],
            "module": trainable_state_dict(self._module),
            "optimizer": self._step.optimizer.state_dict(),
            "scaler": self._step.scaler.state_dict(),
            "average": None if average is None else {"state": average.state, "steps": average.steps},
            "steps": torch.from_numpy(self.timer.samples),
            "best": {
                "epoch": self.best.record.epoch,
                "weights": self.best.weights,
                "logits": torch.from_numpy(self.best.logits),
            },
        }

    def resume(self, checkpoint: Checkpoint | None) -> int | None:
        """Resume from a checkpoint; returns its epoch, or None where there is none."""
        held = checkpoint.load() if checkpoint is not None else None
        if held is None:
            return None
        load_trainable_state_dict(self._module, held["module"])
        self._step.optimizer.load_state_dict(held["optimizer"])
        self._step.scaler.load_state_dict(held["scaler"])
        if self._average is not None:
            self._average.restore(held["average"]["state"], held["average"]["steps"])
        self.history = [Epoch.from_dict(record) for record in held["history"]]
        self.timer.resume(held["steps"].numpy())
        best = held["best"]
        self.best = _Best(self.history[best["epoch"] - 1], best["weights"], best["logits"].numpy())
        for record in self.history:
            self._callbacks.on_epoch(record)
        return len(self.history)


@dataclass(frozen=True)
class _Part:
    """Images that pass through the model at once."""

    positions: np.ndarray
    share: float
    """Of their batch."""
    last: bool
    """Whether the weights change after it."""


def _parts(batch: np.ndarray, micro_batch: int | None) -> list[_Part]:
    found = split_microbatches(batch, micro_batch)
    return [_Part(positions, len(positions) / len(batch), positions is found[-1]) for positions in found]


def _now(device: torch.device) -> float:
    synchronize(device)
    return time.perf_counter()
