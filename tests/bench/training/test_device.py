"""The device: what is here, and what was set for the sake of repeatability."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from bench.errors import DeviceError
from bench.measure.step_timer import PARTS, StepTimer
from bench.results.settings import Determinism
from bench.study.train import TrainSpec
from bench.training import device as devices

CPU = torch.device("cpu")
CUDA = torch.cuda


def test_the_cpu_is_always_here() -> None:
    assert devices.resolve_device("cpu") == CPU
    assert devices.describe(CPU) is None
    assert devices.memory_peak(CPU) == devices.DeviceMemory(None, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:3", "xpu"])
def test_a_device_that_is_not_here_is_reported(name: str) -> None:
    with pytest.raises(DeviceError, match=r"no (cuda|xpu) device"):
        devices.resolve_device(name)


def test_fp16_needs_cuda_in_every_regime() -> None:
    with pytest.raises(DeviceError, match="bf16 or fp32"):
        devices.resolve_device("cpu", "fp16")


def test_what_makes_results_repeatable_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that what is set in its place is taken back
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    known = devices.set_deterministic(7)
    first = torch.rand(3)
    devices.set_deterministic(7)
    assert torch.equal(first, torch.rand(3))
    assert known == Determinism(seed=7, deterministic_algorithms="warn_only", cudnn_benchmark=False, tf32=False)
    assert torch.get_float32_matmul_precision() == "highest"
    torch.use_deterministic_algorithms(False)


def test_inference_batches() -> None:
    sizes = {side: devices.inference_batch_for(CPU, TrainSpec(), side) for side in (16, 64, 128, 224, 518, 4096)}
    assert sizes == {16: 256, 64: 128, 128: 32, 224: 16, 518: 16, 4096: 16}
    assert devices.inference_batch_for(torch.device("cuda"), TrainSpec(), 224) == 256
    assert devices.inference_batch_for(torch.device("cuda"), TrainSpec(batch_size=512), 224) == 512
    assert devices.inference_batch_for(CPU, TrainSpec(inference_batch=5), 224) == 5


def test_a_small_head_trains_on_one_thread() -> None:
    assert devices.threads_for_head(8, 32, 768, 8) == 1
    assert devices.threads_for_head(8, 256, 4096, 1000) == 8


def test_workers() -> None:
    assert [devices.workers_for(CPU, threads, None) for threads in (2, 4, 8, 16, 64)] == [0, 0, 1, 2, 4]
    assert devices.workers_for(CPU, 2, 3) == 3
    assert [devices.workers_for(torch.device("cuda"), threads, None) for threads in (1, 2, 4, 64)] == [1, 1, 3, 4]


class _Recorded:
    """Stands in for ``torch.cuda``: notes the calls and the device of each."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Callable[[torch.device], int]:
        assert hasattr(CUDA, name), f"there is no torch.cuda.{name}"

        def call(device: torch.device) -> int:
            self.calls.append((name, str(device)))
            return 3 << 20

        return call


@pytest.mark.parametrize("name", ["cuda:0", "cuda:1"])
def test_the_order_of_the_calls_to_a_gpu(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Reset, wait, read; each for the device of the cell, which need not be the current one."""
    cuda = _Recorded()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "cuda", cuda)
        device = torch.device(name)
        devices.reset_peak(device)
        devices.synchronize(device)
        memory = devices.memory_peak(device)
    assert memory == devices.DeviceMemory(3.0, 3.0)
    order = ("reset_peak_memory_stats", "synchronize", "synchronize", "max_memory_allocated", "max_memory_reserved")
    assert cuda.calls == [(call, name) for call in order]


def test_a_timed_step_on_a_gpu_waits_for_it_at_each_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = _Recorded()

    def clock() -> float:
        cuda.calls.append(("clock", ""))
        return float(len(cuda.calls))

    with monkeypatch.context() as patch:
        patch.setattr(torch, "cuda", cuda)
        timer = StepTimer(partial(devices.synchronize, torch.device("cuda:1")), every=2, clock=clock)
        for step in range(2):
            timer.begin(1, step)
            for part in PARTS:
                timer.end(part)
    assert cuda.calls == [("synchronize", "cuda:1"), ("clock", "")] * 5
    assert timer.samples[0].tolist() == [1, 2, 2, 2, 2]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_reports_the_peak_of_known_amounts() -> None:
    device = devices.resolve_device("cuda:0")
    devices.reset_peak(device)
    before = torch.cuda.memory_allocated(device) / 2**20
    held = torch.zeros(64 << 18, device=device)
    more = torch.zeros(192 << 18, device=device)
    del more
    peak = devices.memory_peak(device)
    assert peak.allocated_mib == pytest.approx(before + 256, rel=0.01)
    assert peak.reserved_mib is not None
    assert peak.reserved_mib >= 256
    del held
    devices.reset_peak(device)
    assert devices.memory_peak(device).allocated_mib == pytest.approx(before, abs=2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_waited_for() -> None:
    """Without waiting, the clock would show the time of asking: a small part of the work's own."""
    device = devices.resolve_device("cuda:0")
    a = torch.rand(8192, 8192, device=device)
    a @ a
    devices.synchronize(device)
    timer = StepTimer(partial(devices.synchronize, device))
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    timer.begin(1, 0)
    begin.record()
    for _ in range(10):
        a @ a
    end.record()
    timer.end("data")
    assert timer.samples[0, 1] == pytest.approx(begin.elapsed_time(end) / 1000, rel=0.02)
