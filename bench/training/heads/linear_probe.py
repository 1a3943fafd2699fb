"""A tuned linear head for the features of a frozen backbone, and the choice between the kinds of head."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from bench.results.settings import CellSettings
from bench.study.train import TrainSpec
from bench.training.checkpoint import Checkpoint
from bench.training.heads.plan import HeadResult, Plan
from bench.training.inputs.batches import FeatureBatches
from bench.training.loop import TrainCallbacks, TrainContext, TrainResult, fit
from bench.training.optim.ema import copied, load_trainable_state_dict, trainable_state_dict
from bench.training.scores import rank

__all__ = ["learn"]

_RATES = (1e-4, 3e-4, 1e-3, 3e-3)
_DECAYS = (1e-4, 1e-2, 1e-1)


def learn(
    plan: Plan, spec: TrainSpec, context: TrainContext, callbacks: TrainCallbacks, checkpoint: Checkpoint | None
) -> HeadResult:
    """Train by a plan, with the head that the study asks for where the features are cached."""
    train, validation = plan.train, plan.validation
    if isinstance(train, FeatureBatches) and isinstance(validation, FeatureBatches):
        if spec.standardize and spec.head == "linear" and isinstance(plan.learner, nn.Linear):
            return _on_standardized(plan, spec, context, callbacks, checkpoint)
        if spec.tune_head:
            return _tune(plan.learner, train, validation, spec, context, callbacks)
        if spec.head != "linear":
            from bench.training.heads import baselines

            solve = baselines.fit_knn if spec.head == "knn" else baselines.fit_logistic
            solved = solve(train, validation, spec, context)
            callbacks.on_epoch(solved.result.history[0])
            return solved
    result = fit(plan.learner, train, validation, spec, context, callbacks, checkpoint)
    return HeadResult(plan.learner, result, CellSettings(head="linear"))


def _on_standardized(
    plan: Plan, spec: TrainSpec, context: TrainContext, callbacks: TrainCallbacks, checkpoint: Checkpoint | None
) -> HeadResult:
    """Train the head on features of mean 0 and deviation 1, and then have it take them as they were.

    The features in memory are changed in place, and are not used after this.
    """
    train, validation, head = plan.train, plan.validation, plan.learner
    assert isinstance(train, FeatureBatches)
    assert isinstance(validation, FeatureBatches)
    assert isinstance(head, nn.Linear)
    flat = train.features.flatten(0, 1)
    mean, deviation = flat.mean(dim=0), flat.std(dim=0, correction=0) + 1e-6
    for batches in (train, validation):
        batches.features.sub_(mean).div_(deviation)
    found = learn(plan, spec.model_copy(update={"standardize": False}), context, callbacks, checkpoint)
    with torch.no_grad():
        head.weight.div_(deviation.to(head.weight.device))
        head.bias.sub_(head.weight @ mean.to(head.weight.device))
    return HeadResult(head, found.result, found.settings.model_copy(update={"standardized": True}))


def _tune(
    head: nn.Module,
    train: FeatureBatches,
    validation: FeatureBatches,
    spec: TrainSpec,
    context: TrainContext,
    callbacks: TrainCallbacks,
) -> HeadResult:
    """Train the head with each learning rate and weight decay of a grid; keep the best by its validation score.

    The study's own pair is one of the grid. All start from the same weights and see the same batches. The history is
    that of the best.
    """
    started = time.perf_counter()
    start = copied(trainable_state_dict(head))
    own = (spec.head_lr or spec.lr, spec.weight_decay)
    pairs = list(dict.fromkeys([own, *((lr, decay) for lr in _RATES for decay in _DECAYS)]))
    tried: list[tuple[TrainResult, dict[str, Tensor]]] = []
    for lr, decay in pairs:
        load_trainable_state_dict(head, start)
        candidate = spec.model_copy(update={"lr": lr, "weight_decay": decay, "head_lr": None})
        tried.append((fit(head, train, validation, candidate, context), copied(trainable_state_dict(head))))
    scores = [rank(result.history[result.best_epoch - 1].validation, spec) for result, _ in tried]
    place = scores.index(max(scores))
    result, weights = tried[place]
    load_trainable_state_dict(head, weights)
    for record in result.history:
        callbacks.on_epoch(record)
    lr, decay = pairs[place]
    settings = CellSettings(
        head="linear",
        head_lr=lr,
        head_weight_decay=decay,
        head_candidates=len(pairs),
        head_tuning_seconds=time.perf_counter() - started,
    )
    return HeadResult(head, result, settings)
