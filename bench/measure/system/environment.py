"""What a run was made on: machine, system, versions, git state. Read without importing torch."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

from bench.measure.energy import open_energy
from bench.measure.nvml import Nvml
from bench.measure.system.cpus import affinity
from bench.measure.system.machine import available_bytes, clock_policy, confinement
from bench.results.environment import Cpu, Environment, GitState, Gpu
from bench.results.stored import storable

__all__ = ["PACKAGES", "environment", "gpus"]

PACKAGES = (
    *("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "scipy", "pillow", "safetensors"),
    "onnxruntime",
)
"""Packages whose versions can change a result."""

VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE"),
    *("PYTHONHASHSEED", "PYTORCH_CUDA_ALLOC_CONF", "ONEDNN_MAX_CPU_ISA", "LD_PRELOAD"),
)
"""Variables that change speed or repeatability; noted where they are set."""


_EXTENSIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "amx_int8")
"""Vector and matrix instructions that change speed."""


def environment(command: list[str]) -> Environment:
    """Return what is known of the surroundings; a fact that cannot be had is None.

    command: the words that repeat the run.
    """
    return Environment(
        command=tuple(map(storable, command)),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        patchbench=_version("patchbench"),
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=_cpu(),
        clock=clock_policy(),
        confinement=confinement(),
        energy=open_energy("cpu", None).energy_missing,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 2),
        memory_available_gib=round(available_bytes() / 2**30, 2),
        load_average_1min=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        packages={name: version for name in PACKAGES if (version := _version(name))},
        variables={name: storable(os.environ[name]) for name in VARIABLES if name in os.environ},
        git=_git(Path.cwd()),
        gpus=gpus(),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> Cpu:
    model, flags = platform.processor() or None, set[str]()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = set(value.split())
                break
    now, highest = _clock_mhz()
    return Cpu(
        model=model,
        cores=psutil.cpu_count(logical=False),
        threads=psutil.cpu_count(),
        usable=affinity(),
        clock_now_mhz=now,
        clock_highest_mhz=highest,
        instructions=tuple(name for name in _EXTENSIONS if name in flags),
    )


def _clock_mhz() -> tuple[float | None, float | None]:
    """The CPUs' clock now and at most; None for what the system does not report."""
    try:
        found = psutil.cpu_freq()
    except (AttributeError, OSError, RuntimeError, SystemError):  # virtual machines and new CPUs of some makers
        found = None
    if found is None:
        return None, None
    return round(found.current, 1) if found.current else None, found.max or None


def _git(folder: Path) -> GitState | None:
    """Revision and whether the checkout was changed; None outside a checkout."""
    try:
        revision = _run_git(folder, "rev-parse", "HEAD")
        changed = _run_git(folder, "status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return None
    return GitState(revision=revision.strip(), dirty=bool(changed.strip()))


def _run_git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout


def gpus(nvml: Nvml | None = None) -> tuple[Gpu, ...]:
    """NVIDIA devices by the driver; empty where there is no driver."""
    library = nvml or Nvml()
    try:
        return tuple(gpu.facts(library.driver) for gpu in library.gpus())
    finally:
        library.close()
