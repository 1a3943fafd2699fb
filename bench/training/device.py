"""The device of a cell: whether it is here, its clock, its memory, and what makes its results deterministic."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from bench.errors import DeviceError
from bench.results.settings import Determinism
from bench.study.train import TrainSpec

__all__ = [
    "DeviceMemory",
    "describe",
    "inference_batch_for",
    "memory_peak",
    "reset_peak",
    "resolve_device",
    "set_deterministic",
    "synchronize",
    "threads_for_head",
    "workers_for",
]


@dataclass(frozen=True)
class DeviceMemory:
    """Peak memory on the device in MiB; None where the device keeps no account."""

    allocated_mib: float | None
    reserved_mib: float | None


def resolve_device(name: str, precision: str = "fp32") -> torch.device:
    """Return the device; `DeviceError` lists what is here when it is not, or refuses the precision."""
    device = torch.device(name)
    if precision == "fp16" and device.type != "cuda":
        raise DeviceError(f"fp16 needs a cuda device, not {device.type}: use bf16 or fp32 there.")
    if device.type == "cpu":
        return device
    module = getattr(torch, device.type, None)
    if module is None or not module.is_available():
        raise DeviceError(f"this machine has no {device.type} device that torch {torch.__version__} can use")
    if device.index is not None and device.index >= module.device_count():
        raise DeviceError(f"there is no {name}: this machine has {module.device_count()} {device.type} device(s)")
    return device


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it; a CPU has."""
    if device.type == "mps":
        torch.mps.synchronize()  # there is only one
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize(device)  # without it: the current one, which may be another


def reset_peak(device: torch.device) -> None:
    """Start a new account of the device's peak memory."""
    if device.type in ("cuda", "xpu"):
        getattr(torch, device.type).reset_peak_memory_stats(device)


def memory_peak(device: torch.device) -> DeviceMemory:
    """Peak allocated and reserved since `reset_peak`; everything asked of the device is done first."""
    synchronize(device)
    if device.type not in ("cuda", "xpu"):
        return DeviceMemory(None, None)
    module = getattr(torch, device.type)
    return DeviceMemory(
        module.max_memory_allocated(device) / 2**20,
        module.max_memory_reserved(device) / 2**20,
    )


def describe(device: torch.device) -> str | None:
    """The device's own name; None for a CPU, whose name the environment holds."""
    if device.type in ("cuda", "xpu"):
        return str(getattr(torch, device.type).get_device_name(device))
    return "Apple GPU" if device.type == "mps" else None


def set_deterministic(seed: int) -> Determinism:
    """Seed torch and choose deterministic algorithms where there are some; returns what was set, for the record."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # it would write every new tensor twice
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return Determinism(seed=seed, deterministic_algorithms="warn_only", cudnn_benchmark=False, tf32=False)


def inference_batch_for(device: torch.device, spec: TrainSpec, side: int) -> int:
    """Images at once where nothing learns: what the study sets, else enough to keep the device busy.

    On a CPU 16 images of 224 pixels a side, or as many pixels: a larger batch no longer fits the caches and is slower
    (ViT-S/14 in bf16 by a third at 64 images), and a smaller one spends its time between the layers.
    """
    if spec.inference_batch is not None:
        return spec.inference_batch
    if device.type != "cpu":
        return max(spec.micro_batch or spec.step_images, 256)
    fitting = 16 * 224**2 // side**2
    return min(256, max(16, 1 << (fitting.bit_length() - 1) if fitting else 16))


def threads_for_head(threads: int, batch: int, width: int, classes: int) -> int:
    """Threads for training a linear head on features: one, where a step is over before a second thread has begun.

    A step takes about six operations for each weight and image; below some 50 million a thread more costs more than
    it brings, and on a machine that is busy many times as much.
    """
    return 1 if 6 * batch * width * classes < 50_000_000 else threads


def workers_for(device: torch.device, threads: int, asked: int | None) -> int:
    """Threads that read images ahead: what the study sets, else as many as the device does not use.

    A CPU that does the training itself has none to spare below eight cores; above, one thread in eight keeps
    the reading, which is done by one thread otherwise, from becoming the longer part of a step.
    """
    if asked is not None:
        return asked
    return min(4, threads // 8) if device.type == "cpu" else max(1, min(4, threads - 1))
