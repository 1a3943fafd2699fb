"""Energy from hardware counters: the CPU's (RAPL, through Linux' powercap) and an NVIDIA GPU's (NVML).

Where these cannot be read, zeus is asked, if it is installed (`bench.measure.zeus`).

A counter counts everything that its part of the machine does, also for others; a figure without a counter is not
estimated but left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.measure.memory import APART
from bench.measure.nvml import Gpu, Nvml
from bench.measure.zeus import cpu_counters, gpu_counter
from bench.results.notice import Notice, several, verbatim
from bench.results.schema import Energy

__all__ = ["Counter", "EnergyWatch", "GpuCounter", "RaplCounter", "open_energy"]

_POWERCAP = Path("/sys/class/powercap")
_EVERY = 1.0
"""Seconds between two readings within a phase; a CPU's counter wraps around after some minutes at the earliest."""


class Counter(Protocol):
    """Something that counts joules."""

    name: str

    def read(self) -> float:
        """Joules since it was opened. Raises OSError when it cannot be read any more."""
        ...


class RaplCounter:
    """One zone of the CPU (a package, or its memory): microjoules that wrap around."""

    def __init__(self, zone: Path) -> None:
        self.name = (zone / "name").read_text().strip()
        self._file = zone / "energy_uj"
        self._range = int((zone / "max_energy_range_uj").read_text())
        self._last = self._raw()
        self._sum = 0

    def _raw(self) -> int:
        return int(self._file.read_text())

    def read(self) -> float:
        """See `Counter`."""
        now = self._raw()
        self._sum += (now - self._last) % (self._range + 1)
        self._last = now
        return self._sum / 1e6


class GpuCounter:
    """An NVIDIA GPU's own count, in millijoules since the driver was loaded (Volta and later)."""

    def __init__(self, gpu: Gpu) -> None:
        self.name = gpu.name
        self._gpu = gpu
        self._start = gpu.millijoules()

    def read(self) -> float:
        """See `Counter`."""
        return (self._gpu.millijoules() - self._start) / 1e3


@dataclass
class EnergyWatch:
    """Reads the counters while a cell runs. Call `poll` often; `energy` gives the sum up to the cell's result."""

    counters: Sequence[Counter]
    reasons: Sequence[Notice]
    """Why a counter that one would expect is not there."""
    _by_phase: dict[str, float] = field(default_factory=dict)
    _by_counter: dict[str, float] = field(default_factory=dict)
    _phase: str | None = None
    _time: float = 0.0
    _before: list[float] = field(default_factory=list)
    _broken: Notice | None = None

    def poll(self, phase: str, now: float) -> None:
        """Read the counters where it is due. phase: what the child is doing. now: seconds of a steady clock."""
        if self._broken or not self.counters or (phase == self._phase and now - self._time < _EVERY):
            return
        try:
            values = [counter.read() for counter in self.counters]
        except (OSError, ValueError) as error:
            self._broken = Notice.of("counter_lost", reason=str(error))
            return
        if self._phase is not None:
            for counter, value, before in zip(self.counters, values, self._before, strict=True):
                self._by_phase[self._phase] = self._by_phase.get(self._phase, 0.0) + value - before
                if self._phase != APART:
                    self._by_counter[counter.name] = self._by_counter.get(counter.name, 0.0) + value - before
        self._phase, self._time, self._before = phase, now, values

    def end(self, now: float) -> None:
        """Read for the last time."""
        if self._phase is not None:
            self._time = now - 2 * _EVERY
            self.poll(self._phase, now)

    @property
    def energy_missing(self) -> Notice | None:
        """Which parts of the machine have no counter; None when none is missing."""
        return several(self.reasons)

    def energy(self) -> Energy:
        """Joules of the cell, or why there are none."""
        if self._broken or not self._by_counter:
            return Energy(not_measured=self._broken or self.energy_missing or Notice.of("too_short_for_counter"))
        return Energy(
            joules=sum(self._by_counter.values()),
            by_counter=self._by_counter,
            by_phase=self._by_phase,
            method=Notice.of("hardware_counters", names=tuple(map(verbatim, self._by_counter))),
            not_measured=self.energy_missing,
        )


def open_energy(device: str, nvml: Nvml | None, powercap: Path = _POWERCAP) -> EnergyWatch:
    """Open the counters of what a cell on this device takes: the CPU's, and the GPU's where it is one.

    device: as in a study: ``cpu``, ``cuda:1`` ...
    """
    counters: list[Counter] = []
    reasons: list[Notice] = []
    _cpu(powercap, counters, reasons)
    if device.startswith("cuda"):
        counter = _gpu(device, nvml)
        if isinstance(counter, Notice):
            reasons.append(Notice.of("gpu_energy_missing", reason=counter))
        else:
            counters.append(counter)
    elif device != "cpu":
        reasons.append(Notice.of("no_energy_counter", device=device))
    return EnergyWatch(counters, reasons)


def _gpu(device: str, nvml: Nvml | None) -> Counter | Notice:
    gpu = nvml.gpu(device) if nvml is not None else Notice.of("driver_closed")
    if isinstance(gpu, Notice):
        through_zeus = gpu_counter(device)
        return through_zeus if not isinstance(through_zeus, Notice) else Notice.of("several", parts=(gpu, through_zeus))
    try:
        return GpuCounter(gpu)
    except OSError as error:
        return verbatim(str(error))


def _cpu(powercap: Path, counters: list[Counter], reasons: list[Notice]) -> None:
    zones = sorted(powercap.glob("intel-rapl:*")) if powercap.is_dir() else []
    wanted = [zone for zone in zones if _is_wanted(zone)]
    if not wanted:
        reasons.append(Notice.of("no_rapl"))
        return
    try:
        counters += [RaplCounter(zone) for zone in wanted]
    except (OSError, ValueError) as error:
        through_zeus = cpu_counters()
        if isinstance(through_zeus, Notice):
            reasons.append(Notice.of("rapl_needs_rights", reason=str(error), zeus=through_zeus))
        else:
            counters += through_zeus


def _is_wanted(zone: Path) -> bool:
    """Packages and their memory; a core's or a graphics unit's zone is part of its package's."""
    try:
        name = (zone / "name").read_text().strip()
    except OSError:
        return False
    return name.startswith("package") or name == "dram"
