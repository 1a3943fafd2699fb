"""What hinders good measuring on a machine, from what `bench.measure.system.environment` knows of it."""

from __future__ import annotations

from bench.results.environment import Environment

__all__ = ["check_environment"]

_BUSY_SHARE = 0.3
_SMALL_MIB = 2048


def check_environment(environment: Environment) -> list[str]:
    """Return one sentence for each thing that makes figures worse or less repeatable, with what to do about it.

    What is missing in the environment hinders nothing. Energy without a counter has a notice of its own there.
    """
    found = [*_load(environment), *_clock(environment), *_confined(environment), *_gpus(environment)]
    if environment.packages and "torch" not in environment.packages:
        found.append("torch is not installed: reports can be read, models cannot run. pip install torch torchvision")
    if environment.git is not None and environment.git.dirty:
        found.append("the git checkout has uncommitted changes: the revision alone does not say what ran")
    return found


def _load(environment: Environment) -> list[str]:
    load, usable = environment.load_average_1min, environment.cpu.usable
    if load is None or not usable or load <= _BUSY_SHARE * usable:
        return []
    return [f"the machine is busy (load {load} on {usable} CPUs): timings will be noisy. End other programs."]


def _clock(environment: Environment) -> list[str]:
    governor, found = environment.clock.governor, []
    if governor and governor != "performance":
        found.append(
            f"the CPU's governor is {governor}: clocks follow the load. sudo cpupower frequency-set -g performance"
        )
    if environment.clock.turbo:
        found.append("turbo is on: the clock depends on heat and on how many cores work")
    return found


def _confined(environment: Environment) -> list[str]:
    limits, found = environment.confinement, []
    usable, quota = environment.cpu.usable, limits.cpu_quota
    if quota and usable and quota < usable:
        found.append(
            f"a quota of {quota:g} cores is set on {usable} CPUs: cells get {_threads(max(1, int(quota)))} unless the "
            f"study sets train.threads; what goes beyond the quota is throttled"
        )
    wanted = environment.variables.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and usable and 0 < int(wanted) < min(usable, max(1, int(quota or usable))):
        found.append(
            f"OMP_NUM_THREADS is {wanted}: cells get {_threads(int(wanted))} of {usable} CPUs unless the study sets "
            f"train.threads"
        )
    memory, left = limits.memory_limit_mib, limits.memory_left_mib
    if memory and memory < _SMALL_MIB:
        found.append(f"this container may use {memory:,.0f} MiB of memory: larger models will be killed")
    if memory and memory >= _SMALL_MIB and left is not None and left < _SMALL_MIB:
        found.append(f"of {memory:,.0f} MiB of memory that this container may use, others leave {left:,.0f} MiB")
    return found


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _gpus(environment: Environment) -> list[str]:
    found = []
    for gpu in environment.gpus:
        if gpu.persistence is False:
            found.append(f"{gpu.name}: persistence mode is off: the first cell waits for the driver. nvidia-smi -pm 1")
        if gpu.mig:
            found.append(f"{gpu.name}: it is divided (MIG): energy and heat are those of the whole")
        if gpu.throttling:
            found.append(f"{gpu.name}: slowed down just now by {', '.join(gpu.throttling)}")
    return found
