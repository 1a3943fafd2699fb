"""The driver's library is a double here that records its calls: there is no GPU to ask."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from bench.measure.energy import open_energy
from bench.measure.gpu import GpuWatch
from bench.measure.monitor import Monitor
from bench.measure.nvml import Gpu, Nvml
from bench.results.environment import Range
from bench.results.notice import Notice, verbatim
from bench.results.schema import Memory


class Driver:
    """Answers like pynvml; every call is noted. ``answers`` overrides what a function returns or raises."""

    NVMLError = pynvml.NVMLError
    NVML_CLOCK_SM = pynvml.NVML_CLOCK_SM
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, **answers: Any) -> None:
        self.calls: list[str] = []
        self.millijoules = 1_000_000
        self._answers = {
            "nvmlDeviceGetCount": 2,
            "nvmlSystemGetDriverVersion": b"570.1",
            "nvmlDeviceGetName": "Test GPU",
            "nvmlDeviceGetUUID": "GPU-abc",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=512 << 20, total=16 << 30),
            "nvmlDeviceGetComputeRunningProcesses": [],
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
            "nvmlDeviceGetClockInfo": 1500,
            "nvmlDeviceGetTemperature": 60,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetPowerManagementLimit": 700_000,
            "nvmlDeviceGetPersistenceMode": 1,
            "nvmlDeviceGetMigMode": [0, 0],
            **answers,
        }

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)
        assert hasattr(pynvml, name), f"there is no {name}"

        def call(*arguments: Any) -> Any:
            self.calls.append(f"{name}({', '.join(map(str, arguments[-1:]))})" if "Handle" in name else name)
            if name == "nvmlDeviceGetTotalEnergyConsumption" and name not in self._answers:
                self.millijoules += 5_000
                return self.millijoules
            if "Handle" in name and name not in self._answers:
                return f"handle {arguments[0]}"
            answer = self._answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def _nvml(environ: dict[str, str] | None = None, **answers: Any) -> tuple[Nvml, Driver]:
    driver = Driver(**answers)
    return Nvml(driver, environ or {}), driver  # type: ignore[arg-type]


def _refusal(number: int = pynvml.NVML_ERROR_NOT_SUPPORTED) -> Exception:
    refusal: Exception = pynvml.NVMLError(number)
    return refusal


def test_without_a_driver_there_is_a_reason() -> None:
    nvml, driver = _nvml(nvmlInit=_refusal(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    assert nvml.gpus() == []
    assert nvml.driver is None
    reason = nvml.gpu("cuda")
    assert isinstance(reason, Notice)
    assert reason.code == "no_nvidia_driver"
    nvml.close()
    assert driver.calls == ["nvmlInit"]


@pytest.mark.parametrize(
    ("device", "environ", "call"),
    [
        ("cuda", {}, "nvmlDeviceGetHandleByIndex(0)"),
        ("cuda:1", {}, "nvmlDeviceGetHandleByIndex(1)"),
        ("cuda:0", {"CUDA_VISIBLE_DEVICES": "3"}, "nvmlDeviceGetHandleByIndex(3)"),
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": "3, 1"}, "nvmlDeviceGetHandleByIndex(1)"),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "GPU-abc"}, "nvmlDeviceGetHandleByUUID(GPU-abc)"),
    ],
)
def test_torchs_number_is_turned_into_the_drivers(device: str, environ: dict[str, str], call: str) -> None:
    nvml, driver = _nvml(environ)
    assert isinstance(nvml.gpu(device), Gpu)
    assert driver.calls == ["nvmlInit", call, "nvmlDeviceGetName"]


def test_a_device_that_is_hidden_or_unknown() -> None:
    nvml, _ = _nvml({"CUDA_VISIBLE_DEVICES": "0"})
    assert nvml.gpu("cuda:1") == Notice.of("device_not_visible", device="cuda:1", visible="0")
    nvml, _ = _nvml(nvmlDeviceGetHandleByIndex=_refusal(pynvml.NVML_ERROR_INVALID_ARGUMENT))
    reason = nvml.gpu("cuda:7")
    assert isinstance(reason, Notice)
    assert (reason.code, reason.values["device"]) == ("driver_unknown_device", "cuda:7")


def _gpu(**answers: Any) -> Gpu:
    gpu = _nvml(**answers)[0].gpu("cuda")
    assert isinstance(gpu, Gpu)
    return gpu


def test_memory_of_the_cells_own_processes() -> None:
    process = SimpleNamespace(pid=7, usedGpuMemory=300 << 20)
    other = SimpleNamespace(pid=8, usedGpuMemory=900 << 20)
    watch = GpuWatch(_gpu(nvmlDeviceGetComputeRunningProcesses=[process, other]))
    watch.begin()
    watch.poll({7}, 10.0)
    assert watch.memory_mib == 300
    assert watch.load().memory_method == Notice.of("gpu_memory_of_processes")


def test_memory_where_the_driver_does_not_know_the_processes() -> None:
    amounts = iter([512, 1512, 1212])
    nvml, driver = _nvml()
    gpu = nvml.gpu("cuda")
    assert isinstance(gpu, Gpu)
    watch = GpuWatch(gpu)
    for now in (None, 1.0, 2.0):
        driver._answers["nvmlDeviceGetMemoryInfo"] = SimpleNamespace(used=next(amounts) << 20, total=0)
        if now is None:
            watch.begin()
        else:
            watch.poll({7}, now)
    assert watch.memory_mib == 1000
    assert watch.load().memory_method == Notice.of("gpu_memory_of_device")


def test_the_driver_is_asked_twice_a_second_at_most() -> None:
    nvml, driver = _nvml()
    gpu = nvml.gpu("cuda")
    assert isinstance(gpu, Gpu)
    watch = GpuWatch(gpu)
    for tenth in range(31):
        watch.poll(set(), 100 + tenth / 10)
    assert driver.calls.count("nvmlDeviceGetTemperature") == 7


def test_throttling_is_a_share_of_the_samples() -> None:
    nvml, driver = _nvml()
    gpu = nvml.gpu("cuda")
    assert isinstance(gpu, Gpu)
    watch = GpuWatch(gpu)
    for second, bits in enumerate([0x1, 0x4, 0x4 | 0x40, 0x2]):  # idle and set clocks are no throttling
        driver._answers["nvmlDeviceGetCurrentClocksThrottleReasons"] = bits
        watch.poll(set(), float(second + 1))
    assert watch.load().throttled == {"power cap": 0.5, "thermal (hardware)": 0.25}


def test_a_gpu_that_reports_little_is_a_reason_and_no_crash() -> None:
    watch = GpuWatch(_gpu(nvmlDeviceGetClockInfo=_refusal()))
    watch.begin()
    watch.poll(set(), 1.0)
    watch.poll(set(), 2.0)
    reason = watch.load().not_measured
    assert reason is not None
    assert "nvmlDeviceGetClockInfo" in str(reason.values["text"])
    facts = _gpu(nvmlDeviceGetMigMode=_refusal()).facts()
    assert facts.mig is None
    assert facts.power_limit_w == 700


def test_energy_is_the_difference_of_the_drivers_count(tmp_path: Any) -> None:
    """5 J at every reading: 1 before the child, then one a second, one at each new phase, and one at the end."""
    nvml, _ = _nvml()
    watch = open_energy("cuda", nvml, tmp_path)
    for tenth in range(0, 40):
        watch.poll("start" if tenth < 15 else "train", tenth / 10)
    watch.poll("inference", 4.0)
    watch.poll("inference", 5.5)
    watch.end(5.6)
    energy = watch.energy()
    assert energy.by_phase == {"start": 10.0, "train": 15.0, "inference": 10.0}
    assert energy.joules == 25.0
    assert energy.by_counter == {"Test GPU": 25.0}
    assert energy.method == Notice.of("hardware_counters", names=(verbatim("Test GPU"),))
    assert energy.not_measured == Notice.of("no_rapl")


def test_an_old_gpu_without_a_counter(tmp_path: Any) -> None:
    nvml, _ = _nvml(nvmlDeviceGetTotalEnergyConsumption=_refusal())
    energy = open_energy("cuda", nvml, tmp_path).energy()
    assert energy.joules is None
    assert energy.not_measured is not None
    parts = energy.not_measured.values["parts"]
    assert isinstance(parts, tuple)
    cpu, gpu = parts
    assert cpu == Notice.of("no_rapl")
    assert isinstance(gpu, Notice)
    assert gpu.code == "gpu_energy_missing"
    assert "nvmlDeviceGetTotalEnergyConsumption" in str(gpu.values["reason"])


def test_the_order_of_the_calls_around_a_cell() -> None:
    """What others use is read before the child starts; counters are read at its end; then the library is let go."""
    nvml, driver = _nvml()
    watch = Monitor("cuda", nvml)
    opened = ["nvmlDeviceGetHandleByIndex(0)", "nvmlDeviceGetName"]
    before = ["nvmlInit", *opened, "nvmlDeviceGetTotalEnergyConsumption", *opened, "nvmlDeviceGetMemoryInfo"]
    assert driver.calls == before
    watch.follow(list)
    watch.poll("train")
    asked = ["ComputeRunningProcesses", "MemoryInfo", "ClockInfo", "Temperature", "CurrentClocksThrottleReasons"]
    during = ["nvmlDeviceGetTotalEnergyConsumption", *(f"nvmlDeviceGet{name}" for name in asked)]
    assert driver.calls == [*before, *during]
    watch.close()
    assert driver.calls == [*before, *during, "nvmlDeviceGetTotalEnergyConsumption", "nvmlShutdown"]
    gpu = watch.system_load().gpu
    assert gpu is not None
    assert gpu.celsius == Range(lowest=60, highest=60)
    assert watch.memory(Memory()).driver_vram_mib is None  # never more than before the child
