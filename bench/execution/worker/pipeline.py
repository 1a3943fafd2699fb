"""The phases of a cell in the child: data, model, warm-up, training, evaluation, and what is known of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from bench.execution.messages.job import Job
from bench.execution.worker.evaluate import evaluate, keep_model, model_facts, note_device_memory
from bench.execution.worker.profiling import Subject, first_call, measure_inference
from bench.execution.worker.progress import Reporter
from bench.execution.worker.setup import Clock, Ready, build_model, cell_context, make_ready, memory_format
from bench.measure.memory import pss_mib
from bench.measure.sampling import ENOUGH
from bench.measure.step_timer import PARTS
from bench.results.dataset import DatasetManifest
from bench.training import device as devices
from bench.training.checkpoint import Checkpoint
from bench.training.cpu_kernels import KernelCounts, use_fast_gradients
from bench.training.heads.linear_probe import learn
from bench.training.inputs.batches import PixelFile
from bench.training.loop import TrainCallbacks, TrainContext, TrainResult
from bench.training.regimes import freeze, plan
from bench.training.warmup import warm_up

__all__ = ["run"]


def run(
    job: Job, outcome: dict[str, Any], threads: int, reporter: Reporter
) -> Callable[[Callable[[], None]], None] | None:
    """Run all phases, writing into the outcome as they end.

    Returns what is to be done once the outcome is stored, where the study wants it: keeping the weights, and the
    inference profile.
    """
    cell = job.cell
    outcome["memory"]["baseline_mib"] = pss_mib()
    torch.set_num_threads(threads)
    device = devices.resolve_device(cell.device, cell.precision)
    determinism = devices.set_deterministic(cell.seed)
    outcome["context"] = cell_context(device, threads, determinism)
    devices.reset_peak(device)
    clock = Clock(outcome["timings"], device)

    reporter.phase("data")
    manifest = DatasetManifest.from_json(job.dataset.read_text(encoding="utf-8"))
    pixels, labels, splits = PixelFile(job.pixels), np.array(manifest.labels, np.int64), np.array(manifest.splits)
    clock.stop("data_seconds")

    reporter.phase("model")
    built = build_model(job, len(manifest.classes), device)
    freeze(cell, built.module)
    kernels = None if cell.regime == "frozen" else use_fast_gradients(built.module, device, cell.precision)
    ready = make_ready(job, built, device, threads, (pixels, labels, splits), len(manifest.classes))
    clock.stop("model_seconds")

    subject = Subject(built.module, ready.test, device, ready.precision, trained=cell.training, judged=job.round == 0)
    # before anything else has run in this process: after a training no call is a first one
    if cell.training and job.round == 0 and job.measure.inference:
        reporter.phase("warm-up")
        subject = replace(subject, cold_start=first_call(subject, job.measure))
        devices.reset_peak(device)

    def profile(store: Callable[[], None]) -> None:
        measure_inference(subject, job.measure, outcome, store)
        if not cell.training:  # nothing else has used the device
            note_device_memory(device, outcome)

    if job.round > 0:
        if cell.training and cell.train.compile:  # as in the first round
            built.module.backbone.compile()
        return profile
    if not cell.training:
        outcome["model"] = model_facts(built, cell.model.image_size or 0)
        return profile
    _warm_up(ready, clock, outcome, reporter)
    reporter.phase("train", epoch=0)
    outcome["settings"] = {**_settings(ready), **_kernel_settings(kernels)}
    checkpoint = _checkpoint(job)
    fitted = _train(ready, clock, outcome, TrainCallbacks(reporter.epoch, reporter.step), checkpoint)
    reporter.phase("evaluate")
    evaluate(ready, clock, outcome, fitted)
    if checkpoint is not None:
        checkpoint.remove()

    def afterwards(store: Callable[[], None]) -> None:
        if job.keep_model:
            keep_model(ready, outcome)
        if job.measure.inference:
            profile(store)

    return afterwards if job.keep_model or job.measure.inference else None


def _settings(ready: Ready) -> dict[str, Any]:
    """How the cell is run, for the record: what may differ from one cell of a study to another."""
    spec = ready.job.cell.train
    return {
        "batch_size": spec.step_images,
        "micro_batch": spec.micro_batch,
        "inference_batch": ready.inference_batch,
        "memory_format": memory_format(ready.built),
        "compiled": spec.compile,
        "workers": ready.workers,
    }


def _kernel_settings(kernels: KernelCounts | None) -> dict[str, int]:
    return {f"{kind}_kernels": count for kind, count in asdict(kernels).items()} if kernels else {}


def _checkpoint(job: Job) -> Checkpoint | None:
    every = job.cell.train.checkpoint
    if every is None:
        return None
    return Checkpoint(job.folder / "checkpoint.pt", f"{job.cell.id} torch {torch.__version__}", every)


def _warm_up(ready: Ready, clock: Clock, outcome: dict[str, Any], reporter: Reporter) -> None:
    spec, module = ready.job.cell.train, ready.built.module
    reporter.phase("compile" if spec.compile else "warm-up")
    if spec.compile:
        module.backbone.compile()
    made = warm_up(
        module,
        ready.train,
        spec,
        device=ready.device,
        precision=ready.precision,
        learns=ready.job.cell.regime != "frozen",
        inference_batch=ready.inference_batch,
        compiled=lambda: reporter.phase("warm-up"),
    )
    clock.stop("warmup_seconds")
    timings = outcome["timings"]
    timings["warmup_passes"] = made.passes
    if not made.steady and len(made.passes) >= ENOUGH:  # fewer cannot tell
        outcome["context"]["warm_up"] = f"not steady after {len(made.passes)} passes"
    if spec.compile:
        timings["compile_seconds"] = made.compiling
        timings["warmup_seconds"] -= made.compiling


def _train(
    ready: Ready, clock: Clock, outcome: dict[str, Any], watcher: TrainCallbacks, checkpoint: Checkpoint | None
) -> TrainResult:
    cell, built, device = ready.job.cell, ready.built, ready.device
    prepared = plan(
        cell,
        built.module,
        ready.train,
        ready.validation,
        device=device,
        inference_batch=ready.inference_batch,
        folder=ready.job.folder,
    )
    settings, timings = outcome["settings"], outcome["timings"]
    settings.update(prepared.settings)
    if prepared.settings["cached_features"] and device.type == "cpu":
        size = cell.train.step_images, built.num_features, ready.classes
        settings["head_threads"] = devices.threads_for_head(ready.threads, *size)
        torch.set_num_threads(settings["head_threads"])
    conditions = TrainContext(ready.classes, device, ready.precision, cell.seed, ready.inference_batch)
    trained = learn(prepared, cell.train, conditions, watcher, checkpoint)
    torch.set_num_threads(ready.threads)
    if prepared.learner is built.module.head:
        built.module.add_module("head", trained.learner)
    fitted = trained.fitted
    clock.stop("train_seconds")
    settings.update(trained.settings)
    timings["features_seconds"] = prepared.features_seconds
    np.save(ready.job.folder / "steps.npy", fitted.steps)
    parts = fitted.steps[:, 1:]
    timings["steps_timed"] = int(np.isfinite(parts[:, -1]).sum())
    sums = np.nansum(parts, axis=0, dtype=float).tolist() if len(parts) else []
    timings["step_parts"] = dict(zip(PARTS, sums, strict=False))
    timings["epoch_seconds"] = [epoch.train_seconds for epoch in fitted.history]
    if checkpoint is not None:
        timings["train_seconds"] += checkpoint.earlier
        settings.update(checkpoint_seconds=checkpoint.seconds, resumed_after=fitted.resumed_after)
    outcome.update(best_epoch=fitted.best_epoch, epochs=len(fitted.history))
    return fitted
