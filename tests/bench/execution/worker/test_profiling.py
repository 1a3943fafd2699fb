"""The inference profile of real models: every backend, and what it keeps of their accuracy."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.execution.worker.backends import prepare
from bench.execution.worker.profiling import Subject, first_call, measure_inference
from bench.results.schema import InferenceProfile
from bench.study.measure import MeasureSpec
from tests.known import known

CPU = torch.device("cpu")
CLASSES, SIDE = 3, 8


class _Images:
    """Images of three kinds, brighter in a channel of their own."""

    def __init__(self, count: int = 30) -> None:
        self.labels = np.arange(count) % CLASSES
        self._images = torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        for index, label in enumerate(self.labels):
            self._images[index, label] += 1

    def __call__(self, chunks: Iterable[np.ndarray], epoch: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        assert epoch is None, "a profile is no training"
        for positions in chunks:
            yield self._images[positions], torch.from_numpy(self.labels[positions])


class _Brightest(nn.Module):
    """Right about every image: its linear layer sums up each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3 * SIDE * SIDE, CLASSES, bias=False)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(3).repeat_interleave(SIDE * SIDE, dim=1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.mix(images.flatten(1))
        return logits


def _profiles(module: nn.Module, spec: MeasureSpec, **keys: Any) -> tuple[list[dict[str, Any]], int]:
    """The profiles, and how often they were stored."""
    stored: list[tuple[InferenceProfile, ...]] = []
    subject = Subject(module, _Images(), CPU, "fp32", trained=True, **keys)
    measure_inference(subject, spec, stored.append)
    counts = [len(profiles) for profiles in stored]
    assert counts == sorted(counts)
    return [found.model_dump(mode="json") for found in stored[-1]], len(stored)


QUICK = {"batch_sizes": [1, 4], "seconds": 0.05}


def test_every_size_of_the_model_as_it_is() -> None:
    (found,), stored = _profiles(_Brightest(), MeasureSpec.model_validate(QUICK))
    assert found["backend"] == "eager"
    assert found["cold_start_batch"] == 1
    assert found["cold_start_seconds"] > 0
    assert [timed["batch_size"] for timed in found["batches"]] == [1, 4]
    assert all(min(timed["seconds"]) > 0 and timed["warmup_seconds"] for timed in found["batches"])
    assert len(found["batches"][0]["seconds"]) >= 100
    assert found["accuracy"] is None  # there is nothing to compare it with: the test has it
    assert stored == 3


def test_the_first_call_of_a_process_is_kept_for_the_model_as_it_is() -> None:
    spec = MeasureSpec.model_validate({**QUICK, "backends": ["eager", "int8"]})
    (eager, int8), _ = _profiles(_Brightest(), spec, cold_start=900.0)
    assert eager["cold_start_seconds"] == 900.0
    assert int8["cold_start_seconds"] < 900.0
    slow = _Brightest()
    slow.register_forward_hook(lambda *_: time.sleep(0.2))
    subject = Subject(slow, _Images(), CPU, "fp32", trained=True)
    assert 0.2 <= known(first_call(subject, spec)) < 90


def test_int8_keeps_the_accuracy_of_an_easy_task() -> None:
    (eager, int8), _ = _profiles(_Brightest(), MeasureSpec.model_validate({**QUICK, "backends": ["eager", "int8"]}))
    assert (eager["accuracy"], eager["agreement"]) == (1.0, 1.0)
    assert int8["not_measured"] is None
    assert int8["prepare_seconds"] > 0
    assert (int8["accuracy"], int8["agreement"]) == (1.0, 1.0)


class _Blurred(_Brightest):
    """Weights that int8 cannot hold: the differences that count are lost beside a large one."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.mix.weight.mul_(1e-3)
            self.mix.weight[0, 0] = 50.0

    def forward(self, images: Tensor) -> Tensor:
        images = images.clone()
        images[:, 0, 0, 0] = 0
        logits: Tensor = self.mix(images.flatten(1))
        return logits


def test_int8_reports_the_accuracy_it_loses() -> None:
    (eager, int8), _ = _profiles(_Blurred(), MeasureSpec.model_validate({**QUICK, "backends": ["eager", "int8"]}))
    assert eager["accuracy"] == 1.0
    assert int8["accuracy"] < 0.5
    assert int8["agreement"] < 0.5


@pytest.mark.skipif(any(find_spec(n) is None for n in ("onnx", "onnxscript", "onnxruntime")), reason="not installed")
def test_onnx_runtime_gives_the_same_classes_for_any_batch() -> None:
    spec = MeasureSpec.model_validate({**QUICK, "backends": ["eager", "onnxruntime"]})
    (_, onnx), _ = _profiles(_Brightest(), spec)
    assert onnx["not_measured"] is None
    assert [timed["batch_size"] for timed in onnx["batches"]] == [1, 4]
    assert (onnx["accuracy"], onnx["agreement"]) == (1.0, 1.0)


def test_a_backend_that_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.execution.worker.backends.find_spec", lambda _: None)
    spec = MeasureSpec.model_validate({**QUICK, "backends": ["eager", "onnxruntime"]})
    (eager, onnx), _ = _profiles(_Brightest(), spec)
    assert eager["batches"]
    assert onnx["batches"] == []
    assert onnx["not_measured"]["code"] == "package_missing"
    assert onnx["not_measured"]["values"]["command"] == "pip install 'patchbench[onnx]'"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiling_falls_into_the_cold_start_alone() -> None:
    spec = MeasureSpec.model_validate({**QUICK, "backends": ["eager", "compile"]})
    (_, compiled), _ = _profiles(_Brightest(), spec)
    assert compiled["cold_start_seconds"] > 100 * min(compiled["batches"][0]["seconds"])
    assert (compiled["accuracy"], compiled["agreement"]) == (1.0, 1.0)


def test_a_further_round_compares_nothing() -> None:
    spec = MeasureSpec.model_validate({**QUICK, "backends": ["eager", "int8"]})
    found, _ = _profiles(_Brightest(), spec, compared=False)
    assert [(profile["accuracy"], profile["agreement"]) for profile in found] == [(None, None)] * 2
    assert all(profile["batches"] for profile in found)


class _Hungry(nn.Module):
    """Takes no more than so many images."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        super().__init__()
        self._error = error

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 2:
            raise self._error()
        return images.mean((2, 3))


@pytest.mark.parametrize("error", [MemoryError, lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_batch_that_memory_does_not_hold_ends_the_sizes(error: Callable[[], Exception]) -> None:
    (found,), _ = _profiles(_Hungry(error), MeasureSpec.model_validate(QUICK))
    assert [timed["batch_size"] for timed in found["batches"]] == [1]
    assert found["stopped"] == {"code": "batch_too_large", "values": {"batch": 4}}


@pytest.mark.parametrize("backend", ["eager", "int8", "onnxruntime"])
def test_a_backend_leaves_the_model_as_it_is(backend: Any) -> None:
    module = _Brightest().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    prepare(backend, module, torch.zeros(2, 3, SIDE, SIDE), CPU)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert type(module.mix) is nn.Linear


class _TooLarge(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        raise torch.OutOfMemoryError(f"{len(images)} are too many")


def test_a_first_call_that_does_not_fit_leaves_the_training_alone() -> None:
    subject = Subject(_TooLarge(), _Images(), CPU, "fp32", trained=True)
    assert first_call(subject, MeasureSpec(batch_sizes=(4,))) is None
