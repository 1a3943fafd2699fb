"""What the system does with the processor and with this process: clock policy, container, quotas."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["clock_policy", "confinement"]

_UNLIMITED = 1 << 60
"""Version 1 control groups write a number near 2^63 for no limit."""


def clock_policy(system: Path = Path("/sys")) -> dict[str, Any]:
    """Governor, turbo and simultaneous multithreading; None for what the system does not tell (virtual machines).

    Returns governor (text, several joined by a comma), turbo and smt (bool).
    """
    cpus = system / "devices" / "system" / "cpu"
    governors = {_text(file) for file in cpus.glob("cpu[0-9]*/cpufreq/scaling_governor")}
    named = sorted(name for name in governors if name)
    return {"governor": ", ".join(named) or None, "turbo": _turbo(cpus), "smt": _flag(cpus / "smt" / "active")}


def _turbo(cpus: Path) -> bool | None:
    off = _flag(cpus / "intel_pstate" / "no_turbo")
    return not off if off is not None else _flag(cpus / "cpufreq" / "boost")


def confinement(system: Path = Path("/sys"), root: Path = Path("/")) -> dict[str, Any]:
    """Container and control group limits of this process; None: no limit, or none that can be seen.

    Returns container (name or None), cpu_quota (cores), memory_limit_mib.
    """
    groups = system / "fs" / "cgroup"
    return {
        "container": _container(root),
        "cpu_quota": _quota(groups),
        "memory_limit_mib": _memory_limit(groups),
    }


def _container(root: Path) -> str | None:
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run" / ".containerenv").exists():
        return "podman"
    return "kubernetes" if "KUBERNETES_SERVICE_HOST" in os.environ else None


def _quota(groups: Path) -> float | None:
    newer = (_text(groups / "cpu.max") or "").split()
    if len(newer) == 2 and newer[0].isdigit():
        return int(newer[0]) / int(newer[1])
    quota, period = _text(groups / "cpu" / "cpu.cfs_quota_us"), _text(groups / "cpu" / "cpu.cfs_period_us")
    if quota and period and int(quota) > 0:
        return int(quota) / int(period)
    return None


def _memory_limit(groups: Path) -> float | None:
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _text(groups / name)
        if text and text.isdigit() and int(text) < _UNLIMITED:
            return int(text) / 2**20
    return None


def _flag(file: Path) -> bool | None:
    text = _text(file)
    return None if text not in ("0", "1") else text == "1"


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
