"""The device: what is here, and what was set for the sake of repeatability."""

from __future__ import annotations

import pytest
import torch

from bench.errors import DeviceError
from bench.training import device as devices
from bench.training.spec import TrainSpec

CPU = torch.device("cpu")


def test_the_processor_is_always_here() -> None:
    assert devices.open_device("cpu") == CPU
    assert devices.describe(CPU) is None
    assert devices.memory_peak(CPU) == devices.DeviceMemory(None, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:3", "xpu"])
def test_a_device_that_is_not_here_is_told(name: str) -> None:
    with pytest.raises(DeviceError, match=r"no (cuda|xpu) device"):
        devices.open_device(name)


def test_fp16_needs_cuda_in_every_regime() -> None:
    with pytest.raises(DeviceError, match="bf16 or fp32"):
        devices.open_device("cpu", "fp16")


def test_what_makes_results_repeatable_is_recorded() -> None:
    known = devices.make_repeatable(7)
    first = torch.rand(3)
    devices.make_repeatable(7)
    assert torch.equal(first, torch.rand(3))
    assert known == {"seed": 7, "deterministic_algorithms": "warn_only", "cudnn_benchmark": False, "tf32": False}
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
    assert devices.workers_for(CPU, 64, None) == 0
    assert devices.workers_for(CPU, 2, 3) == 3
    assert [devices.workers_for(torch.device("cuda"), threads, None) for threads in (1, 2, 4, 64)] == [1, 1, 3, 4]
