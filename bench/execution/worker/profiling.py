"""In the child, after the result: how fast the model runs, in each backend that the study asks for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bench.execution.worker.backends import prepare
from bench.measure.latency import profile
from bench.results.notice import Notice
from bench.results.schema import InferenceProfile
from bench.study.measure import MeasureSpec
from bench.training.device import synchronize
from bench.training.inputs.batches import Batches, make_batches
from bench.training.optim.optimizer import autocast

__all__ = ["Subject", "first_call", "measure_inference"]


@dataclass(frozen=True)
class Subject:
    """A model as it was tested, and the images it was tested on."""

    module: nn.Module
    images: Batches
    device: torch.device
    precision: str
    """Of the autocast around the module; a frozen backbone has its own inside."""
    trained: bool
    """Whether its accuracy means anything."""
    compared: bool = True
    """Whether the backends' predictions are compared."""
    cold_start: float | None = None
    """Seconds of the process's first call, from `first_call`; None: nothing has run in it yet."""


def first_call(subject: Subject, spec: MeasureSpec) -> float | None:
    """Seconds of a pass over the smallest batch: a cold start, where it is the first that the process does.

    None where that batch does not fit in memory, which the profile reports, after the result.

    Without inference mode: what a model keeps from its first call, such as a mask, has to serve its training too.
    """
    subject.module.eval()
    try:
        images = _inputs(subject, min(spec.batch_sizes))
        synchronize(subject.device)
        begun = time.perf_counter()
        with torch.no_grad(), autocast(subject.device, subject.precision):
            subject.module(images)
        synchronize(subject.device)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return None
    return time.perf_counter() - begun


def measure_inference(
    subject: Subject, spec: MeasureSpec, on_profiles: Callable[[tuple[InferenceProfile, ...]], None]
) -> None:
    """Profile the model in each backend; ``on_profiles`` is called with all that there is as it grows."""
    subject.module.eval()
    done: list[InferenceProfile] = []

    def note(current: InferenceProfile) -> None:
        on_profiles((*done, current))

    expected: np.ndarray | None = None
    for backend in spec.backends:
        begun = time.perf_counter()
        prepared = prepare(backend, subject.module, _inputs(subject, 2), subject.device)
        if isinstance(prepared, Notice):
            found = InferenceProfile(backend=backend, not_measured=prepared)
        else:
            took = None if backend == "eager" else time.perf_counter() - begun
            found = profile(
                _call(subject, prepared, min(spec.batch_sizes)),
                spec,
                backend=backend,
                prepare_seconds=took,
                cold_start=subject.cold_start if backend == "eager" else None,
                out_of_memory=_is_out_of_memory,
                on_batch=note,
            )
            if subject.compared and len(spec.backends) > 1:
                predicted = _predict(subject, prepared)
                expected = predicted if expected is None else expected
                found = _compared(found, predicted, expected, subject)
        note(found)
        done.append(found)


def _call(subject: Subject, forward: Callable[[Tensor], Tensor], first: int) -> Callable[[int], object]:
    """One pass over a batch whose images lie on the device already. first: the size of the first call."""
    held = {first: _inputs(subject, first)}
    synchronize(subject.device)

    def run(size: int) -> None:
        if size not in held:
            held.clear()
            held[size] = _inputs(subject, size)
            synchronize(subject.device)
        with torch.inference_mode(), autocast(subject.device, subject.precision):
            forward(held[size])
        synchronize(subject.device)

    return run


def _inputs(subject: Subject, size: int) -> Tensor:
    """A batch of test images; they come again where there are fewer of them."""
    order = np.resize(np.arange(len(subject.images.labels)), size)
    return next(iter(subject.images([order])))[0]


def _predict(subject: Subject, forward: Callable[[Tensor], Tensor]) -> np.ndarray:
    """The class of every test image, (n,)."""
    found = []
    with torch.inference_mode():
        for inputs, _ in subject.images(make_batches(np.arange(len(subject.images.labels)), 32, training=False)):
            with autocast(subject.device, subject.precision):
                found.append(forward(inputs).float().argmax(1).cpu())
    return torch.cat(found).numpy()


def _compared(
    found: InferenceProfile, predicted: np.ndarray, expected: np.ndarray, subject: Subject
) -> InferenceProfile:
    accuracy = float((predicted == subject.images.labels).mean()) if subject.trained else None
    return found.model_copy(update={"accuracy": accuracy, "agreement": float((predicted == expected).mean())})


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
