"""What the driver reports of a GPU while a cell runs on it: memory, clocks, heat, throttling."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.measure.nvml import Gpu
from bench.results.environment import GpuLoad, Range
from bench.results.notice import Notice, verbatim

__all__ = ["GpuWatch"]

_EVERY = 0.5


@dataclass
class GpuWatch:
    """Watches one GPU from outside. Call `poll` often; it asks the driver twice a second."""

    gpu: Gpu
    memory_mib: float | None = None
    """Highest memory of the cell's processes that the driver reported, MiB."""
    memory_method: Notice | None = None
    _idle_mib: float | None = None
    _clocks: list[int] = field(default_factory=list)
    _celsius: list[int] = field(default_factory=list)
    _throttled: dict[str, int] = field(default_factory=dict)
    _polls: int = 0
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
            self._polls += 1
        except OSError as error:
            self._broken = str(error)

    def _memory(self, pids: set[int]) -> None:
        used, method = self.gpu.used_by(pids), Notice.of("gpu_memory_of_processes")
        if used is None and self._idle_mib is not None:
            used = self.gpu.used_mib() - self._idle_mib
            method = Notice.of("gpu_memory_of_device")
        if used is not None and used > (self.memory_mib or 0.0):
            self.memory_mib, self.memory_method = used, method

    def load(self) -> GpuLoad:
        """Clocks, heat and throttling over the cell; empty where the driver reported nothing."""
        if not self._polls:
            return GpuLoad(not_measured=verbatim(self._broken) if self._broken else None)
        return GpuLoad(
            name=self.gpu.name,
            clock_mhz=Range(lowest=min(self._clocks), highest=max(self._clocks)),
            celsius=Range(lowest=min(self._celsius), highest=max(self._celsius)),
            throttled={name: count / self._polls for name, count in sorted(self._throttled.items())},
            memory_method=self.memory_method,
            memory_before_mib=self._idle_mib,
        )
