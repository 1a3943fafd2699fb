"""Energy counters that zeus can read and we cannot: of the CPU without the rights of root, of an AMD GPU.

zeus is optional. Where this process may read a counter itself, it does (`bench.measure.energy`): zeus would start a
process for each that polls it ten times a second, beside what is measured.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from bench.results.notice import Notice, verbatim

__all__ = ["ZeusCounter", "cpu_counters", "gpu_counter"]


class ZeusCounter:
    """A counter behind zeus: see `bench.measure.energy.Counter`."""

    def __init__(self, name: str, devices: Any, index: int) -> None:
        self.name = f"{name} (through zeus)"
        self._devices = devices
        self._index = index
        self._start = self._millijoules()

    def read(self) -> float:
        """Joules since it was opened. Raises OSError when it cannot be read any more."""
        return (self._millijoules() - self._start) / 1e3

    def _millijoules(self) -> float:
        try:
            found = self._devices.get_total_energy_consumption(self._index)
        except Exception as error:  # its daemon, its drivers and their libraries each have errors of their own
            raise OSError(f"zeus: {error}") from error
        # a CPU reports its packages and, where they have a counter, their memory
        return float(found) if isinstance(found, int | float) else float(found.cpu_mj) + float(found.dram_mj or 0.0)


def cpu_counters() -> list[ZeusCounter] | Notice:
    """A counter for each package with its memory, or why there is none."""
    cpus = _opened("zeus.device.cpu", "get_cpus")
    if isinstance(cpus, Notice):
        return cpus
    try:
        found = [ZeusCounter(f"package-{index}", cpus, index) for index in range(len(cpus.cpus))]
    except OSError as error:
        return verbatim(str(error))
    return found or Notice.of("zeus_no_cpu")


def gpu_counter(device: str) -> ZeusCounter | Notice:
    """The counter of the GPU that torch calls ``cuda`` or ``cuda:N``, or why there is none."""
    number = int(device.partition(":")[2] or 0)
    gpus = _opened("zeus.device.gpu", "get_gpus")
    if isinstance(gpus, Notice):
        return gpus
    try:
        return ZeusCounter(str(gpus.get_name(number)), gpus, number)
    except IndexError:
        return Notice.of("zeus_unknown_device", device=device)
    except OSError as error:
        return verbatim(str(error))


def _opened(module: str, function: str) -> Any:
    """What zeus knows of a kind of device, or the `Notice` why it knows nothing."""
    if find_spec("zeus") is None:
        return Notice.of("zeus_missing")
    try:
        return getattr(import_module(module), function)()
    except Exception as error:  # noqa: BLE001 - see above; a part of it may be missing, too
        return verbatim(f"zeus: {error}")
