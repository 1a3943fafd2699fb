"""The one pass over the test images, and what is stored of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from bench.execution.worker.setup import Clock, Ready
from bench.measure.memory import high_water_mib
from bench.results.dataset import DatasetManifest
from bench.results.files import atomic_path
from bench.stats import metrics
from bench.training import device as devices
from bench.training.loop import TrainResult
from bench.training.predict import predict
from bench.training.scores import softmax
from models_zoo.complexity import count_flops
from models_zoo.networks.builder import BuiltModel

__all__ = ["evaluate", "keep_model", "model_facts", "note_device_memory"]


def evaluate(ready: Ready, clock: Clock, outcome: dict[str, Any], fitted: TrainResult) -> None:
    """The one pass over the test images, and what is stored of it."""
    test, built, folder = ready.test, ready.built, ready.job.folder
    everything = np.arange(len(test.labels))
    logits = predict(built.module, test, everything, ready.inference_batch, ready.device, ready.precision)
    clock.stop("evaluate_seconds")
    outcome["memory"]["peak_ram_hwm_mib"] = high_water_mib()
    note_device_memory(ready.device, outcome)
    probabilities = softmax(logits)
    np.save(folder / "probabilities.npy", probabilities.astype(np.float32))
    np.save(folder / "validation.npy", softmax(fitted.validation_logits).astype(np.float32))
    matrix = metrics.confusion_matrix(test.labels, probabilities.argmax(axis=1), ready.classes)
    outcome["confusion"] = matrix.tolist()
    outcome["metrics"] = metrics.summary(test.labels, probabilities)
    outcome["model"] = model_facts(built, ready.job.cell.model.image_size or 0)


def keep_model(ready: Ready, outcome: dict[str, Any]) -> None:
    """Write the tested weights, with what they were tested with: model, head, classes, image size, normalization.

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
    try:
        with atomic_path(ready.job.folder / "model.safetensors", durable=False) as part:
            save_file(weights, part, metadata={"format": "pt", "patchbench": json.dumps(facts)})
    except (SafetensorError, ValueError) as error:
        outcome["context"]["model_not_kept"] = str(error)


def note_device_memory(device: torch.device, outcome: dict[str, Any]) -> None:
    memory = devices.memory_peak(device)
    outcome["memory"].update(peak_vram_mib=memory.allocated_mib, reserved_vram_mib=memory.reserved_mib)


def model_facts(built: BuiltModel, image_size: int) -> dict[str, Any]:
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
