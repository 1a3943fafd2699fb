"""What the system does with the CPU and with this process: clock policy, container, quotas."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from bench.measure.system.cgroups import cpu_quota, memory_limit, memory_room
from bench.results.environment import Clock, Confinement

__all__ = ["available_bytes", "clock_policy", "confinement"]


def clock_policy(system: Path = Path("/sys")) -> Clock:
    """Governor, turbo and simultaneous multithreading; None for what the system does not report (virtual machines)."""
    cpus = system / "devices" / "system" / "cpu"
    governors = {_text(file) for file in cpus.glob("cpu[0-9]*/cpufreq/scaling_governor")}
    named = sorted(name for name in governors if name)
    return Clock(governor=", ".join(named) or None, turbo=_turbo(cpus), smt=_flag(cpus / "smt" / "active"))


def _turbo(cpus: Path) -> bool | None:
    off = _flag(cpus / "intel_pstate" / "no_turbo")
    return not off if off is not None else _flag(cpus / "cpufreq" / "boost")


def confinement(system: Path = Path("/sys"), root: Path = Path("/"), own: str | None = None) -> Confinement:
    """Container and control group limits of this process; None: no limit, or none that can be seen.

    own: the text of /proc/self/cgroup.
    """
    mount = system / "fs" / "cgroup"
    limit, room = memory_limit(mount, own), memory_room(mount, own)
    return Confinement(
        container=_container(root),
        cpu_quota=cpu_quota(mount, own),
        memory_limit_mib=None if limit is None else limit / 2**20,
        memory_left_mib=None if room is None else room / 2**20,
    )


def available_bytes() -> int:
    """Memory that a new process may use: what is free on the machine, or what is left of it by the cgroups."""
    free, room = psutil.virtual_memory().available, memory_room()
    return free if room is None else min(free, room)


def _container(root: Path) -> str | None:
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run" / ".containerenv").exists():
        return "podman"
    return "kubernetes" if "KUBERNETES_SERVICE_HOST" in os.environ else None


def _flag(file: Path) -> bool | None:
    text = _text(file)
    return None if text not in ("0", "1") else text == "1"


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
