"""All that is seen of a cell from outside while it runs, by one call ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.measure.energy import open_energy
from bench.measure.gpu import GpuWatch
from bench.measure.memory import APART, START, MemoryWatch
from bench.measure.nvml import Nvml
from bench.measure.system.load import LoadWatch, snapshot
from bench.results.environment import SystemLoad
from bench.results.notice import Notice
from bench.results.schema import Energy, Memory

__all__ = ["Monitor"]

_NOTED_GAP = 2.0
_NOTED_STOP = 0.3
"""Seconds without a sample, and seconds of a stopped child, that are told."""
_NOTED_SHARE = 0.05
"""Of the peak: memory that was not read closely and is told."""


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

    def close(self, ended: float | None = None, seen: float | None = None) -> None:
        """Read for the last time; call it after the child has been waited for.

        ended: when the child ended. seen: when that was seen, or why it had to be ended. Seconds of `time.monotonic`;
        None: just now.
        """
        now = time.monotonic()
        if self._memory is not None:
            self._memory.end(now if ended is None else ended, now if seen is None else seen)
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

    def notices(self) -> tuple[Notice, ...]:
        """What a reader has to know of how well the cell could be seen; call it after `close`."""
        watch = self._memory
        assert watch is not None
        found = []
        if watch.stopped >= _NOTED_STOP:
            found.append(Notice.of("cell_stopped", seconds=watch.stopped))
        if watch.stood_still >= _NOTED_GAP:
            found.append(Notice.of("watch_gap", seconds=watch.stood_still))
        if watch.peak_mib and watch.unread_mib > _NOTED_SHARE * watch.peak_mib:
            found.append(Notice.of("memory_unread", mib=watch.unread_mib))
        return tuple(found)

    def memory(self, inside: Memory) -> Memory:
        """What the child knows of its memory together with what was seen from outside."""
        watch = self._memory
        assert watch is not None
        marks = [mib for mib in (inside.peak_ram_hwm_mib, watch.high_water_mib) if mib is not None]
        twice = max(0.0, watch.twice_mib)
        by_phase = _at_least(watch.by_phase, inside.hwm_by_phase, twice)
        own = [watch.peak_mib, *(mib for phase, mib in by_phase.items() if phase != APART)]
        if watch.high_water_mib is not None:  # the child's pages alone are never more than those of the tree
            own.append(watch.high_water_mib - twice)
        return inside.model_copy(
            update={
                "peak_ram_mib": max((mib for mib in own if mib is not None), default=None),
                "peak_ram_hwm_mib": max(marks, default=None),
                "by_phase": by_phase,
                "method": watch.method if watch.samples else None,
                "samples": watch.samples,
                "interval_seconds": watch.interval,
                "longest_gap_seconds": watch.longest_gap,
                "unread_mib": watch.unread_mib,
                "driver_vram_mib": self._gpu.memory_mib if self._gpu is not None else None,
            }
        )


def _at_least(seen: dict[str, float], marks: dict[str, float], twice: float) -> dict[str, float]:
    """Peaks by phase, no lower than the child's own high-water marks: those miss nothing, but see the child alone.

    twice: MiB that the marks count more than once.
    """
    own = {phase: mark - twice for phase, mark in marks.items()}
    first = [phase for phase in seen if phase not in own]
    order = [*first[:1], *own, *first[1:]] if first[:1] == [START] else [*own, *first]
    return {phase: max(seen.get(phase, 0.0), own.get(phase, 0.0)) for phase in order}
