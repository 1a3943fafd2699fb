"""The phases of a cell in the child: data, model, warm-up, training, evaluation, and what is known of the model."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import save_file

from bench.execution.messages.job import Job
from bench.execution.worker.profiling import Subject, first_call, measure_inference
from bench.measure.memory import high_water_mib, pss_mib
from bench.measure.sampling import ENOUGH
from bench.measure.step_timer import PARTS
from bench.results.dataset import DatasetManifest
from bench.stats import metrics
from bench.training import device as devices
from bench.training.checkpoint import Checkpoint
from bench.training.cpu_kernels import use_fast_gradients
from bench.training.heads.linear_probe import learn
from bench.training.inputs.batches import PixelBatches, PixelFile
from bench.training.loop import Conditions, Epoch, Fitted, Watcher
from bench.training.predict import predict
from bench.training.regimes import freeze, plan
from bench.training.scores import softmax
from bench.training.warmup import warm_up
from models_zoo.complexity import count_flops
from models_zoo.networks.builder import BuiltModel, build

__all__ = ["run"]


class Reporter(Protocol):
    """Where a cell tells how far it is."""

    def epoch(self, record: Epoch) -> None: ...
    def step(self, epoch: int, done: int, count: int, loss: float) -> None: ...
    def phase(self, name: str, **facts: float) -> None: ...


class _Clock:
    """Puts the seconds of a phase into the outcome, the device synchronised at both ends."""

    def __init__(self, timings: dict[str, Any], device: torch.device) -> None:
        self._timings = timings
        self._device = device
        self._start = time.perf_counter()

    def stop(self, name: str) -> None:
        devices.synchronize(self._device)
        now = time.perf_counter()
        self._timings[name] = now - self._start
        self._start = now


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
    device = devices.open_device(cell.device, cell.precision)
    determinism = devices.make_repeatable(cell.seed)
    outcome["context"] = _context(device, threads, determinism)
    devices.reset_peak(device)
    clock = _Clock(outcome["timings"], device)

    reporter.phase("data")
    manifest = DatasetManifest.from_json(job.dataset.read_text(encoding="utf-8"))
    pixels, labels, splits = PixelFile(job.pixels), np.array(manifest.labels, np.int64), np.array(manifest.splits)
    clock.stop("data_seconds")

    reporter.phase("model")
    built = _build(job, len(manifest.classes), device)
    freeze(cell, built.module)
    faster = {} if cell.regime == "frozen" else use_fast_gradients(built.module, device, cell.precision)
    ready = _make_ready(job, built, device, threads, (pixels, labels, splits), len(manifest.classes))
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
            _note_device_memory(device, outcome)

    if job.round > 0:
        if cell.training and cell.train.compile:  # as in the first round
            built.module.backbone.compile()
        return profile
    if not cell.training:
        outcome["model"] = _facts(built, cell.model.image_size or 0)
        return profile
    _warm_up(ready, clock, outcome, reporter)
    reporter.phase("train", epoch=0)
    outcome["settings"] = {**_settings(ready), **faster}
    checkpoint = _checkpoint(job)
    fitted = _train(ready, clock, outcome, Watcher(reporter.epoch, reporter.step), checkpoint)
    reporter.phase("evaluate")
    _evaluate(ready, clock, outcome, fitted)
    if checkpoint is not None:
        checkpoint.remove()

    def afterwards(store: Callable[[], None]) -> None:
        if job.keep_model:
            _keep_model(ready, outcome)
        if job.measure.inference:
            profile(store)

    return afterwards if job.keep_model or job.measure.inference else None


@dataclass(frozen=True)
class _Ready:
    """A cell's model and data, ready to be trained."""

    job: Job
    built: BuiltModel
    device: torch.device
    threads: int
    workers: int
    inference_batch: int
    classes: int
    train: PixelBatches
    validation: PixelBatches
    test: PixelBatches

    @property
    def precision(self) -> str:
        """Of the passes through the model; a frozen backbone has been given its own."""
        return "fp32" if self.job.cell.regime == "frozen" else self.job.cell.precision


def _make_ready(
    job: Job,
    built: BuiltModel,
    device: torch.device,
    threads: int,
    data: tuple[PixelFile, np.ndarray, np.ndarray],
    classes: int,
) -> _Ready:
    """data: the pixels, and the label and the split of each image."""
    cell, spec = job.cell, job.cell.train
    pixels, labels, splits = data
    workers = devices.workers_for(device, threads, spec.workers)

    def batches(split: str) -> PixelBatches:
        rows = np.flatnonzero(splits == split)
        return PixelBatches(
            pixels,
            rows,
            labels[rows],
            mean=built.mean,
            std=built.std,
            device=device,
            augmentation=spec.augment,
            seed=cell.seed,
            channels_last=_is_cnn(built),
            workers=workers,
        )

    inference_batch = devices.inference_batch_for(device, spec, cell.model.image_size or 224)
    sides = batches("train"), batches("validation"), batches("test")
    return _Ready(job, built, device, threads, workers, inference_batch, classes, *sides)


def _settings(ready: _Ready) -> dict[str, Any]:
    """How the cell is run, for the record: what may differ from one cell of a study to another."""
    spec = ready.job.cell.train
    return {
        "batch_size": spec.step_images,
        "micro_batch": spec.micro_batch,
        "inference_batch": ready.inference_batch,
        "memory_format": _format(ready.built),
        "compiled": spec.compile,
        "workers": ready.workers,
    }


def _checkpoint(job: Job) -> Checkpoint | None:
    every = job.cell.train.checkpoint
    if every is None:
        return None
    return Checkpoint(job.folder / "checkpoint.pt", f"{job.cell.id} torch {torch.__version__}", every)


def _warm_up(ready: _Ready, clock: _Clock, outcome: dict[str, Any], reporter: Reporter) -> None:
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
    ready: _Ready, clock: _Clock, outcome: dict[str, Any], watcher: Watcher, checkpoint: Checkpoint | None
) -> Fitted:
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
    conditions = Conditions(ready.classes, device, ready.precision, cell.seed, ready.inference_batch)
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


def _evaluate(ready: _Ready, clock: _Clock, outcome: dict[str, Any], fitted: Fitted) -> None:
    """The one pass over the test images, and what is stored of it."""
    test, built, folder = ready.test, ready.built, ready.job.folder
    everything = np.arange(len(test.labels))
    logits = predict(built.module, test, everything, ready.inference_batch, ready.device, ready.precision)
    clock.stop("evaluate_seconds")
    outcome["memory"]["peak_ram_hwm_mib"] = high_water_mib()
    _note_device_memory(ready.device, outcome)
    probabilities = softmax(logits)
    np.save(folder / "probabilities.npy", probabilities.astype(np.float32))
    np.save(folder / "validation.npy", softmax(fitted.validation_logits).astype(np.float32))
    matrix = metrics.confusion_matrix(test.labels, probabilities.argmax(axis=1), ready.classes)
    outcome["confusion"] = matrix.tolist()
    outcome["metrics"] = metrics.summary(test.labels, probabilities)
    outcome["model"] = _facts(built, ready.job.cell.model.image_size or 0)


def _note_device_memory(device: torch.device, outcome: dict[str, Any]) -> None:
    memory = devices.memory_peak(device)
    outcome["memory"].update(peak_vram_mib=memory.allocated_mib, reserved_vram_mib=memory.reserved_mib)


def _keep_model(ready: _Ready, outcome: dict[str, Any]) -> None:
    """Write the tested weights, with what they were tested with: model, head, classes, image size, normalisation.

    Weights that the format cannot hold are told in the outcome's context; the result stands without them.
    """
    entry, built = ready.job.cell.model, ready.built
    manifest = DatasetManifest.from_json(ready.job.dataset.read_text(encoding="utf-8"))
    facts = {
        "model": entry.name,
        "feature_blocks": entry.feature_blocks,
        "pooling": entry.pooling,
        "image_size": entry.image_size,
        "resize": ready.job.cell.resize,
        "head": outcome["settings"].get("head", "linear"),
        "classes": list(manifest.classes),
        "mean": built.mean,
        "std": built.std,
    }
    weights = {name: value.detach().cpu().clone().contiguous() for name, value in built.module.state_dict().items()}
    torn = ready.job.folder / ".model.safetensors.tmp"
    try:
        save_file(weights, torn, metadata={"format": "pt", "patchbench": json.dumps(facts)})
    except (SafetensorError, ValueError) as error:
        torn.unlink(missing_ok=True)
        outcome["context"]["model_not_kept"] = str(error)
        return
    torn.chmod(0o644)  # the library makes it readable for its owner alone
    torn.replace(ready.job.folder / "model.safetensors")


def _build(job: Job, classes: int, device: torch.device) -> BuiltModel:
    entry = job.cell.model
    built = build(
        entry.name,
        num_classes=classes,
        image_size=entry.image_size or 0,
        weights=job.weights,
        feature_blocks=entry.feature_blocks,
        pooling=entry.pooling,
        seed=job.cell.seed,
    )
    if _is_cnn(built):
        built.module.to(memory_format=torch.channels_last)
    built.module.to(device)
    return built


def _is_cnn(built: BuiltModel) -> bool:
    return built.spec.family == "cnn"


def _format(built: BuiltModel) -> str:
    return "channels_last" if _is_cnn(built) else "contiguous"


def _context(device: torch.device, threads: int, determinism: dict[str, object]) -> dict[str, Any]:
    import timm

    return {
        "device_name": devices.describe(device),
        "threads": threads,
        "determinism": determinism,
        "glibc_tunables": os.environ.get("GLIBC_TUNABLES"),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": timm.__version__,
    }


def _facts(built: BuiltModel, image_size: int) -> dict[str, Any]:
    parameters = list(built.module.parameters())
    patch = built.spec.patch
    return {
        "family": built.spec.family,
        "patch": patch,
        "image_size": image_size,
        "tokens": (image_size // patch) ** 2 if patch else None,
        "parameters": sum(p.numel() for p in parameters),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "flops": count_flops(built.module, image_size).flops,
        "features": built.num_features,
        "weights": built.provenance,
    }
