"""All that is seen of a cell from outside while it runs, by one call ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.measure.energy import open_energy
from bench.measure.gpu import GpuWatch
from bench.measure.memory import MemoryWatch
from bench.measure.nvml import Nvml
from bench.measure.system.load import LoadWatch, snapshot
from bench.results.environment import SystemLoad
from bench.results.notice import Notice
from bench.results.schema import Energy, Memory

__all__ = ["Monitor"]


class Monitor:
    """Open it before the child starts; `poll` while it runs; `close` it when the child has ended."""

    def __init__(self, device: str, nvml: Nvml | None = None) -> None:
        """Read what has to be read before. device: as in a study."""
        self._nvml = nvml or (Nvml() if device.startswith("cuda") else None)
        self._energy = open_energy(device, self._nvml)
        self._gpu = self._open_gpu(device)
        self._load = LoadWatch(snapshot())
        self._memory: MemoryWatch | None = None
        self._begun = time.monotonic()
        self._system_load = SystemLoad()

    def _open_gpu(self, device: str) -> GpuWatch | None:
        gpu = self._nvml.gpu(device) if self._nvml is not None and device.startswith("cuda") else None
        if gpu is None or isinstance(gpu, Notice):
            return None
        watch = GpuWatch(gpu)
        watch.begin()
        return watch

    def follow(self, processes: Callable[[], list[int]]) -> None:
        """Set which processes count, the child first."""
        self._memory = MemoryWatch(processes)

    def poll(self, phase: str, limit_mib: float | None = None) -> float | None:
        """Sample everything once; returns the processes' memory in MiB when it was read (see `MemoryWatch.sample`)."""
        assert self._memory is not None
        now = time.monotonic()
        self._energy.poll(phase, now)
        if self._gpu is not None:
            self._gpu.poll(set(self._memory.pids), now)
        return self._memory.sample(phase, limit_mib)

    def close(self) -> None:
        """Read for the last time; call it after the child has been waited for."""
        now = time.monotonic()
        self._energy.end(now)
        gpu = self._gpu.load() if self._gpu is not None else None
        self._system_load = self._load.load(snapshot(), now - self._begun).model_copy(update={"gpu": gpu})
        if self._nvml is not None:
            self._nvml.close()

    def system_load(self) -> SystemLoad:
        """What else the machine did, and the GPU; call it after `close`."""
        return self._system_load

    def energy(self) -> Energy:
        """Joules, or why there are none."""
        return self._energy.energy()

    def memory(self, inside: Memory) -> Memory:
        """What the child knows of its memory together with what was seen from outside."""
        watch = self._memory
        assert watch is not None
        marks = [mib for mib in (inside.peak_ram_hwm_mib, watch.high_water_mib) if mib is not None]
        return inside.model_copy(
            update={
                "peak_ram_mib": watch.peak_mib,
                "peak_ram_hwm_mib": max(marks, default=None),
                "by_phase": dict(watch.by_phase),
                "method": watch.method if watch.samples else None,
                "samples": watch.samples,
                "interval_seconds": watch.interval,
                "driver_vram_mib": self._gpu.memory_mib if self._gpu is not None else None,
            }
        )
