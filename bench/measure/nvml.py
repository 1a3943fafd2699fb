"""NVIDIA's management library: what the driver reports of a GPU, without a CUDA context.

The one place that calls it. A missing driver, an old one or a GPU that does not report something is a notice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from bench.results import environment
from bench.results.notice import Notice

__all__ = ["Gpu", "Nvml"]

_THROTTLES = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
}
"""Bits of the clocks' event reasons that mean: slower than it could be. Idle and set clocks are not among them."""


class Gpu:
    """One GPU. Every method raises OSError when the driver does not answer."""

    def __init__(self, library: ModuleType, handle: Any) -> None:
        self._library = library
        self._handle = handle
        self.name = _text(self._ask("nvmlDeviceGetName"))

    def _ask(self, function: str, *arguments: Any) -> Any:
        try:
            return getattr(self._library, function)(self._handle, *arguments)
        except self._library.NVMLError as error:
            raise OSError(f"{function}: {error}") from error

    def millijoules(self) -> int:
        """Energy since the driver was loaded."""
        return int(self._ask("nvmlDeviceGetTotalEnergyConsumption"))

    def used_mib(self) -> float:
        """Memory in use on the device, by everybody."""
        return float(self._ask("nvmlDeviceGetMemoryInfo").used) / 2**20

    def used_by(self, pids: set[int]) -> float | None:
        """Memory in MiB that these processes use; None where the driver does not know them (in containers)."""
        found = self._ask("nvmlDeviceGetComputeRunningProcesses")
        amounts = [p.usedGpuMemory for p in found if p.pid in pids and p.usedGpuMemory is not None]
        return sum(amounts) / 2**20 if amounts else None

    def throttling(self) -> set[str]:
        """Why the GPU is slower than it could be just now; empty when it isn't."""
        reasons = int(self._ask("nvmlDeviceGetCurrentClocksThrottleReasons"))
        return {name for bit, name in _THROTTLES.items() if reasons & bit}

    def clock_mhz(self) -> int:
        """Clock of the multiprocessors."""
        return int(self._ask("nvmlDeviceGetClockInfo", self._library.NVML_CLOCK_SM))

    def celsius(self) -> int:
        """Temperature."""
        return int(self._ask("nvmlDeviceGetTemperature", self._library.NVML_TEMPERATURE_GPU))

    def facts(self, driver: str | None = None) -> environment.Gpu:
        """What does not change while a run lasts, and the throttling just now; None for what it does not report.

        driver: the driver's version.
        """
        highest = "nvmlDeviceGetMaxClockInfo"
        return environment.Gpu(
            name=self.name,
            memory_mib=self._try(lambda: self._ask("nvmlDeviceGetMemoryInfo").total // 2**20),
            uuid=self._try(lambda: _text(self._ask("nvmlDeviceGetUUID"))),
            max_clock_mhz=self._try(lambda: self._ask(highest, self._library.NVML_CLOCK_SM)),
            power_limit_w=self._try(lambda: self._ask("nvmlDeviceGetPowerManagementLimit") / 1000),
            persistence=self._try(lambda: bool(self._ask("nvmlDeviceGetPersistenceMode"))),
            mig=self._try(lambda: bool(self._ask("nvmlDeviceGetMigMode")[0])),
            throttling=self._try(lambda: tuple(sorted(self.throttling()))),
            driver=driver,
        )

    def _try(self, ask: Any) -> Any:
        try:
            return ask()
        except OSError:
            return None


class Nvml:
    """The library, opened; without a driver it has no GPUs and knows why."""

    def __init__(self, library: ModuleType | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self.missing: Notice | None = None
        """Why there are no GPUs; None when there are."""
        if library is None:
            import pynvml

            library = pynvml
        self._library = library
        try:
            library.nvmlInit()
        except library.NVMLError as error:
            self.missing = Notice.of("no_nvidia_driver", reason=str(error))

    def close(self) -> None:
        """Let go of the library."""
        if self.missing is None:
            self._library.nvmlShutdown()
            self.missing = Notice.of("driver_closed")

    @property
    def driver(self) -> str | None:
        """The driver's version."""
        return None if self.missing else _text(self._library.nvmlSystemGetDriverVersion())

    def gpus(self) -> list[Gpu]:
        """All GPUs of the machine, those hidden from CUDA too."""
        if self.missing:
            return []
        count = self._library.nvmlDeviceGetCount()
        return [Gpu(self._library, self._library.nvmlDeviceGetHandleByIndex(index)) for index in range(count)]

    def gpu(self, device: str) -> Gpu | Notice:
        """The GPU that torch calls ``cuda`` or ``cuda:N``, or why there is none.

        torch counts only what CUDA_VISIBLE_DEVICES lets it see, in that order.
        """
        if self.missing:
            return self.missing
        number = int(device.partition(":")[2] or 0)
        shown = self._environ.get("CUDA_VISIBLE_DEVICES")
        try:
            if shown is None:
                return Gpu(self._library, self._library.nvmlDeviceGetHandleByIndex(number))
            names = [name.strip() for name in shown.split(",") if name.strip()]
            if number >= len(names):
                return Notice.of("device_not_visible", device=device, visible=shown)
            if names[number].isdigit():
                return Gpu(self._library, self._library.nvmlDeviceGetHandleByIndex(int(names[number])))
            return Gpu(self._library, self._library.nvmlDeviceGetHandleByUUID(names[number]))
        except (self._library.NVMLError, OSError) as error:
            return Notice.of("driver_unknown_device", device=device, reason=str(error))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
