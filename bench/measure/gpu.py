"""What the driver says of a GPU while a cell runs on it: memory, clocks, heat, throttling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench.measure.nvml import Gpu

__all__ = ["GpuWatch"]

_EVERY = 0.5


@dataclass
class GpuWatch:
    """Looks at one GPU from outside. Call `poll` often; it asks the driver twice a second."""

    gpu: Gpu
    memory_mib: float | None = None
    """Highest memory of the cell's processes that the driver told."""
    memory_method: str | None = None
    _idle_mib: float | None = None
    _clocks: list[int] = field(default_factory=list)
    _celsius: list[int] = field(default_factory=list)
    _throttled: dict[str, int] = field(default_factory=dict)
    _looks: int = 0
    _next: float = 0.0
    _broken: str | None = None

    def begin(self) -> None:
        """Note what others use, before the child starts."""
        try:
            self._idle_mib = self.gpu.used_mib()
        except OSError as error:
            self._broken = str(error)

    def poll(self, pids: set[int], now: float) -> None:
        """Ask the driver if it is time. pids: the cell's processes. now: seconds of a steady clock."""
        if self._broken or now < self._next:
            return
        self._next = now + _EVERY
        try:
            self._memory(pids)
            self._clocks.append(self.gpu.clock_mhz())
            self._celsius.append(self.gpu.celsius())
            for reason in self.gpu.throttling():
                self._throttled[reason] = self._throttled.get(reason, 0) + 1
            self._looks += 1
        except OSError as error:
            self._broken = str(error)

    def _memory(self, pids: set[int]) -> None:
        used, method = self.gpu.used_by(pids), "the driver's account of the cell's processes"
        if used is None and self._idle_mib is not None:
            used = self.gpu.used_mib() - self._idle_mib
            method = "the driver's account of the whole device, less what was in use before"
        if used is not None and used > (self.memory_mib or 0.0):
            self.memory_mib, self.memory_method = used, method

    def facts(self) -> dict[str, Any]:
        """Clocks, heat and throttling over the cell; empty where the driver told nothing."""
        if not self._looks:
            return {"not_measured": self._broken} if self._broken else {}
        return {
            "name": self.gpu.name,
            "clock_mhz": {"lowest": min(self._clocks), "highest": max(self._clocks)},
            "celsius": {"lowest": min(self._celsius), "highest": max(self._celsius)},
            "throttled": {name: count / self._looks for name, count in sorted(self._throttled.items())},
            "memory_method": self.memory_method,
            "memory_before_mib": self._idle_mib,
        }
