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
from bench.measure.zeus import gpu_counter, processor_counters
from bench.results.schema import Energy

__all__ = ["Counter", "EnergyWatch", "GpuCounter", "RaplCounter", "open_energy"]

_POWERCAP = Path("/sys/class/powercap")
_EVERY = 1.0
"""Seconds between two looks within a phase; a CPU's counter wraps around after some minutes at the earliest."""


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
    reasons: Sequence[str]
    """Why a counter that one would expect is not there."""
    _by_phase: dict[str, float] = field(default_factory=dict)
    _by_counter: dict[str, float] = field(default_factory=dict)
    _phase: str | None = None
    _time: float = 0.0
    _before: list[float] = field(default_factory=list)
    _broken: str | None = None

    def poll(self, phase: str, now: float) -> None:
        """Read the counters where it is due. phase: what the child is doing. now: seconds of a steady clock."""
        if self._broken or not self.counters or (phase == self._phase and now - self._time < _EVERY):
            return
        try:
            values = [counter.read() for counter in self.counters]
        except (OSError, ValueError) as error:
            self._broken = f"a counter could not be read to the end: {error}"
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
    def energy_missing(self) -> str | None:
        """Which parts of the machine have no counter, in words; None when none is missing."""
        return "; ".join(self.reasons) or None

    def energy(self) -> Energy:
        """Joules of the cell, or why there are none."""
        if self._broken or not self._by_counter:
            why = self._broken or "; ".join(self.reasons) or "it was over before a counter could be read twice"
            return Energy(not_measured=why)
        return Energy(
            joules=sum(self._by_counter.values()),
            by_counter=self._by_counter,
            by_phase=self._by_phase,
            method=f"hardware counters of the whole {', '.join(self._by_counter)}, also of what else ran on it",
            not_measured="; ".join(self.reasons) or None,
        )


def open_energy(device: str, nvml: Nvml | None, powercap: Path = _POWERCAP) -> EnergyWatch:
    """Open the counters that tell what a cell on this device takes: the CPU's, and the GPU's where it is one.

    device: as in a study: ``cpu``, ``cuda:1`` ...
    """
    counters: list[Counter] = []
    reasons: list[str] = []
    _processor(powercap, counters, reasons)
    if device.startswith("cuda"):
        counter = _gpu(device, nvml)
        if isinstance(counter, str):
            reasons.append(f"GPU: {counter}")
        else:
            counters.append(counter)
    elif device != "cpu":
        reasons.append(f"there is no energy counter for {device} devices")
    return EnergyWatch(counters, reasons)


def _gpu(device: str, nvml: Nvml | None) -> Counter | str:
    gpu = nvml.gpu(device) if nvml is not None else "its library was not opened"
    if not isinstance(gpu, str):
        try:
            return GpuCounter(gpu)
        except OSError as error:
            return str(error)
    through_zeus = gpu_counter(device)
    return f"{gpu}; {through_zeus}" if isinstance(through_zeus, str) else through_zeus


def _processor(powercap: Path, counters: list[Counter], reasons: list[str]) -> None:
    zones = sorted(powercap.glob("intel-rapl:*")) if powercap.is_dir() else []
    wanted = [zone for zone in zones if _is_wanted(zone)]
    if not wanted:
        reasons.append("CPU: this system shows no RAPL counters (virtual machines and macOS have none)")
        return
    try:
        counters += [RaplCounter(zone) for zone in wanted]
    except (OSError, ValueError) as error:
        through_zeus = processor_counters()
        if not isinstance(through_zeus, str):
            counters += through_zeus
            return
        reasons.append(
            f"CPU: its RAPL counters cannot be read ({error}); reading them takes the rights of root, or zeus "
            f"with its daemon ({through_zeus})"
        )


def _is_wanted(zone: Path) -> bool:
    """Packages and their memory; a core's or a graphics unit's zone is part of its package's."""
    try:
        name = (zone / "name").read_text().strip()
    except OSError:
        return False
    return name.startswith("package") or name == "dram"
