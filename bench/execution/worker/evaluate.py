"""The one pass over the test images, and what is stored of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from bench.disk import is_disk_error
from bench.execution.worker.setup import Clock, Ready
from bench.execution.worker.train import Trained
from bench.measure.proc_status import high_water_mib
from bench.results.dataset import DatasetManifest
from bench.results.files import atomic_path, reserve
from bench.results.notice import Notice
from bench.results.schema import Memory, ModelFacts, Timings
from bench.results.through import save_array
from bench.results.weights import WeightsProvenance
from bench.stats import metrics
from bench.training import device as devices
from bench.training.predict import predict
from bench.training.scores import softmax
from models_zoo.complexity import count_flops

__all__ = ["Tested", "device_memory", "evaluate", "keep_model", "model_facts"]


@dataclass(frozen=True)
class Tested:
    """A model that has been tested."""

    metrics: dict[str, float | None]
    confusion: tuple[tuple[int, ...], ...]
    """Test images counted by (true class, predicted class)."""
    timings: Timings
    memory: Memory
    model: ModelFacts


def evaluate(ready: Ready, clock: Clock, trained: Trained) -> Tested:
    """Pass the test images through the model once, and store probabilities of the test and the validation images."""
    test, folder = ready.test, ready.job.folder
    everything = np.arange(len(test.labels))
    logits = predict(ready.built.module, test, everything, ready.inference_batch, ready.device, ready.precision)
    timings = Timings(evaluate_seconds=clock.lap())
    high_water = high_water_mib()
    memory = device_memory(ready.device).model_copy(update={"peak_ram_hwm_mib": high_water})
    probabilities = softmax(logits)
    save_array(folder / "probabilities.npy", probabilities.astype(np.float32))
    save_array(folder / "validation.npy", softmax(trained.result.validation_logits).astype(np.float32))
    matrix = metrics.confusion_matrix(test.labels, probabilities.argmax(axis=1), ready.classes)
    return Tested(
        metrics=metrics.summary(test.labels, probabilities),
        confusion=tuple(tuple(row) for row in matrix.tolist()),
        timings=timings,
        memory=memory,
        model=model_facts(ready),
    )


def keep_model(ready: Ready, head: str) -> Notice | None:
    """Write the tested weights, with what they were tested with: model, head, classes, image size, normalization.

    head: its kind. Returns why where the format cannot hold the weights, or the disk has no room for them; the result
    stands without them.
    """
    entry, built = ready.job.cell.model, ready.built
    manifest = DatasetManifest.from_json(ready.job.dataset.read_text(encoding="utf-8"))
    facts = {
        "model": entry.name,
        "feature_blocks": entry.feature_blocks,
        "pooling": entry.pooling,
        "image_size": entry.image_size,
        "resize": ready.job.cell.resize,
        "head": head,
        "classes": list(manifest.classes),
        "mean": built.mean,
        "std": built.std,
    }
    weights = {name: value.detach().cpu().clone().contiguous() for name, value in built.module.state_dict().items()}
    size = sum(value.nbytes for value in weights.values())
    try:
        with atomic_path(ready.job.folder / "model.safetensors", durable=False) as part:
            try:
                save_file(weights, part, metadata={"format": "pt", "patchbench": json.dumps(facts)})
            except SafetensorError:
                with part.open("wb") as file:  # it hides why it cannot write: ask the disk
                    reserve(file.fileno(), size)
                raise
    except OSError as error:
        if not is_disk_error(error):
            raise
        return Notice.of("model_not_stored", reason=error.strerror or str(error))
    except (SafetensorError, ValueError) as error:
        return Notice.of("model_not_kept", reason=str(error))
    return None


def device_memory(device: torch.device) -> Memory:
    """Peak memory of the device since it was reset, in MiB."""
    memory = devices.memory_peak(device)
    return Memory(peak_vram_mib=memory.allocated_mib, reserved_vram_mib=memory.reserved_mib)


def model_facts(ready: Ready) -> ModelFacts:
    """What the model is, as it was built."""
    built, image_size = ready.built, ready.job.cell.model.image_size or 0
    parameters, patch = list(built.module.parameters()), built.spec.patch
    return ModelFacts(
        family=built.spec.family,
        patch=patch,
        image_size=image_size,
        tokens=(image_size // patch) ** 2 if patch else None,
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        flops=count_flops(built.module, image_size).flops,
        features=built.num_features,
        weights=WeightsProvenance.of(built.provenance),
    )
