"""What else the machine did while a cell ran: others' use of the CPUs, steal time, throttling."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bench.measure.system.cgroups import cpu_throttled
from bench.results.environment import SystemLoad

__all__ = ["LoadWatch", "Snapshot", "snapshot"]

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Snapshot:
    """Counts since boot. Seconds of all CPUs together; None where the system does not report it."""

    busy: float | None
    steal: float | None
    """Time in which a virtual machine's CPUs were ready and another machine had the core."""
    own: float
    """Of this process and of those of its children that have ended."""
    throttles: int | None
    """How often a core was slowed down because of heat."""
    cpu_throttled: float | None
    """Seconds for which the control group's quota kept this process from running."""


def snapshot(proc: Path = Path("/proc"), system: Path = Path("/sys")) -> Snapshot:
    """Read the counts."""
    busy, steal = _cpus(proc)
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return Snapshot(busy, steal, own, _throttles(system), cpu_throttled(system / "fs" / "cgroup"))


def _cpus(proc: Path) -> tuple[float | None, float | None]:
    try:
        words = (proc / "stat").read_text().split("\n", 1)[0].split()
        user, nice, kernel, _, _, irq, softirq, steal = (int(word) / _TICKS for word in words[1:9])
    except (OSError, ValueError):
        return None, None
    return user + nice + kernel + irq + softirq, steal


def _throttles(system: Path) -> int | None:
    files = list(system.glob("devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"))
    try:
        return sum(int(file.read_text()) for file in files) if files else None
    except (OSError, ValueError):
        return None


@dataclass
class LoadWatch:
    """Compares the machine before and after a cell."""

    before: Snapshot

    def load(self, after: Snapshot, seconds: float) -> SystemLoad:
        """What others did over these seconds; an unknown figure is None."""
        busy = _less(after.busy, self.before.busy)
        own = after.own - self.before.own
        steal = _less(after.steal, self.before.steal)
        throttles = _less(after.throttles, self.before.throttles)
        seconds = max(seconds, 1e-9)
        return SystemLoad(
            other_cores=None if busy is None else round(max(0.0, busy - own) / seconds, 3),
            steal_fraction=None if steal is None else round(steal / seconds / (os.cpu_count() or 1), 4),
            thermal_throttles=None if throttles is None else int(throttles),
            cpu_throttled_seconds=_less(after.cpu_throttled, self.before.cpu_throttled),
        )


def _less(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
