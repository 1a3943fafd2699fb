"""The training of a cell, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from bench.execution.worker.setup import Clock, Ready
from bench.measure.step_timer import PARTS
from bench.results.schema import Timings
from bench.results.settings import CellSettings
from bench.results.through import save_array
from bench.training import device as devices
from bench.training.checkpoint import Checkpoint
from bench.training.heads.linear_probe import learn
from bench.training.heads.plan import Plan
from bench.training.loop import TrainCallbacks, TrainContext, TrainResult
from bench.training.regimes import plan

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """A training that has ended; the model holds the best epoch's weights."""

    result: TrainResult
    settings: CellSettings
    timings: Timings
    threads: tuple[int, int]
    """CPU threads of torch as found at the beginning and at the end."""


def train(
    ready: Ready,
    clock: Clock,
    callbacks: TrainCallbacks,
    checkpoint: Checkpoint | None,
    *,
    on_settings: Callable[[CellSettings], None],
) -> Trained:
    """Train a cell's model, and store the raw samples of its steps.

    on_settings: called with what is settled before the loop begins, for a cell that is killed in it.
    """
    cell, built, device, begin = ready.job.cell, ready.built, ready.device, torch.get_num_threads()
    prepared = plan(
        cell,
        built.module,
        ready.train,
        ready.validation,
        device=device,
        inference_batch=ready.inference_batch,
        folder=ready.job.folder,
    )
    on_settings(prepared.settings)
    end = torch.get_num_threads()
    if (threads := _head_threads(ready, prepared)) is not None:
        on_settings(CellSettings(head_threads=threads))
        torch.set_num_threads(threads)
    context = TrainContext(ready.classes, device, ready.precision, cell.seed, ready.inference_batch)
    found = learn(prepared, cell.train, context, callbacks, checkpoint)
    if torch.get_num_threads() != (end if threads is None else threads):
        end = torch.get_num_threads()  # the model, or what it calls, has changed it
    torch.set_num_threads(end)
    if prepared.learner is built.module.head:
        built.module.add_module("head", found.learner)
    seconds = clock.lap()
    save_array(ready.job.folder / "steps.npy", found.result.steps)
    timings, settings = _timings(found.result, seconds, prepared.features_seconds), found.settings
    if checkpoint is not None:
        timings = timings.model_copy(update={"train_seconds": seconds + checkpoint.earlier})
        resumed = {"checkpoint_seconds": checkpoint.seconds, "resumed_after": found.result.resumed_after}
        settings = settings.model_copy(update=resumed)
    return Trained(found.result, settings, timings, (begin, end))


def _head_threads(ready: Ready, prepared: Plan) -> int | None:
    """CPU threads for a head on cached features; None where the whole model passes through the loop."""
    if not prepared.settings.cached_features or ready.device.type != "cpu":
        return None
    size = ready.job.cell.train.step_images, ready.built.num_features, ready.classes
    return devices.threads_for_head(ready.threads, *size)


def _timings(result: TrainResult, seconds: float, features_seconds: float | None) -> Timings:
    parts = result.steps[:, 1:]
    sums = np.nansum(parts, axis=0, dtype=float).tolist() if len(parts) else []
    return Timings(
        train_seconds=seconds,
        features_seconds=features_seconds,
        steps_timed=int(np.isfinite(parts[:, -1]).sum()),
        step_parts=dict(zip(PARTS, sums, strict=False)),
        epoch_seconds=tuple(epoch.train_seconds for epoch in result.history),
    )
