"""What hinders good measuring on a machine, from what `bench.measure.system.environment` knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["check_environment"]

_BUSY_SHARE = 0.3
_SMALL_MIB = 2048


def check_environment(environment: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each thing that makes figures worse or less repeatable, with what to do about it.

    environment: as `bench.measure.system.environment.environment` returns it; what is missing in it hinders nothing.
    """
    found = [*_load(environment), *_clock(environment), *_confined(environment), *_gpus(environment)]
    packages = environment.get("packages")
    if packages is not None and not packages.get("torch"):
        found.append("torch is not installed: reports can be read, models cannot run. pip install torch torchvision")
    if (environment.get("git") or {}).get("dirty"):
        found.append("the git checkout has uncommitted changes: the revision alone does not tell what ran")
    if environment.get("energy"):
        found.append(f"energy will not be measured: {environment['energy']}")
    return found


def _load(environment: Mapping[str, Any]) -> list[str]:
    load, usable = environment.get("load_average_1min"), (environment.get("cpu") or {}).get("usable")
    if load is None or not usable or load <= _BUSY_SHARE * usable:
        return []
    return [f"the machine is busy (load {load} on {usable} CPUs): timings will be noisy. End other programs."]


def _clock(environment: Mapping[str, Any]) -> list[str]:
    clock, found = environment.get("clock") or {}, []
    governor = clock.get("governor")
    if governor and governor != "performance":
        found.append(
            f"the CPU's governor is {governor}: clocks follow the load. sudo cpupower frequency-set -g performance"
        )
    if clock.get("turbo"):
        found.append("turbo is on: the clock depends on heat and on how many cores work")
    return found


def _confined(environment: Mapping[str, Any]) -> list[str]:
    limits, found = environment.get("confinement") or {}, []
    usable, quota = (environment.get("cpu") or {}).get("usable"), limits.get("cpu_quota")
    if quota and usable and quota < usable:
        found.append(
            f"a quota of {quota:g} cores is set on {usable} CPUs: threads will be held back. "
            f"Set train.threads to {max(1, int(quota))}."
        )
    memory = limits.get("memory_limit_mib")
    if memory and memory < _SMALL_MIB:
        found.append(f"this container may use {memory:,.0f} MiB of memory: larger models will be killed")
    left = limits.get("memory_left_mib")
    if memory and memory >= _SMALL_MIB and left is not None and left < _SMALL_MIB:
        found.append(f"of {memory:,.0f} MiB of memory that this container may use, others leave {left:,.0f} MiB")
    return found


def _gpus(environment: Mapping[str, Any]) -> list[str]:
    found = []
    for gpu in environment.get("gpus") or []:
        if gpu.get("persistence") is False:
            found.append(
                f"{gpu['name']}: persistence mode is off: the first cell waits for the driver. nvidia-smi -pm 1"
            )
        if gpu.get("mig"):
            found.append(f"{gpu['name']}: it is divided (MIG): energy and heat are those of the whole")
        if gpu.get("throttling"):
            found.append(f"{gpu['name']}: slowed down just now by {', '.join(gpu['throttling'])}")
    return found
