"""What the kernel keeps of one process's memory: resident set, high-water mark, and whether it is stopped.

From Linux 6.2 on the kernel counts resident pages in a part for each CPU and reads the sum without them, so that a
figure can be off by some dozens of pages for each CPU that the process ran on; later kernels read it exactly again.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

__all__ = ["LINUX", "ProcStatus", "high_water_mib", "proc_status", "reset_high_water", "resident_mib", "share_memory"]

LINUX = sys.platform.startswith("linux")
_NUMBER = re.compile(rb"^(VmHWM|VmRSS|VmSize|RssFile|RssShmem|PPid):\s*(\d+)", re.MULTILINE)
_KCMP = {"x86_64": 312, "aarch64": 272, "riscv64": 272} if LINUX and sys.maxsize > 2**32 else {}
"""Number of the system call; the C library has no function for it."""
_STOPPED = re.compile(rb"^State:\s*[Tt]", re.MULTILINE)


@dataclass(frozen=True)
class ProcStatus:
    """One process at one moment, in MiB."""

    resident: float
    """Resident set: pages that it maps, those shared with others counted whole."""
    high_water: float | None = None
    """The resident set's highest since the program began or the mark was set anew (VmHWM); None where there is none."""
    of_files: float = 0.0
    """The part of the resident set that belongs to files, shared memory included."""
    mapped: float = 0.0
    """Address space, whether it is in memory or not."""
    parent: int = 0
    """Process id of its parent."""
    is_stopped: bool = False
    """Whether a signal or a debugger has stopped it."""


def proc_status(pid: int) -> ProcStatus | None:
    """Look at a process; None when it is gone, has ended, or may not be looked at."""
    if not LINUX:
        try:
            return ProcStatus(float(psutil.Process(pid).memory_info().rss) / 2**20)
        except psutil.Error:
            return None
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123 - read ten times a second
            text = file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    found = {key: int(number) for key, number in _NUMBER.findall(text)}
    if b"VmRSS" not in found:  # ended, but not yet waited for
        return None
    return ProcStatus(
        resident=found[b"VmRSS"] / 1024,
        high_water=found[b"VmHWM"] / 1024 if b"VmHWM" in found else None,
        of_files=(found.get(b"RssFile", 0) + found.get(b"RssShmem", 0)) / 1024,
        mapped=found.get(b"VmSize", 0) / 1024,
        parent=found.get(b"PPid", 0),
        is_stopped=_STOPPED.search(text) is not None,
    )


def share_memory(pid: int, other: int) -> bool:
    """Whether two processes work in one memory: a child between vfork and exec does so in its parent's.

    The kernel is asked (kcmp); where it does not say, their address spaces are taken for one if they are equally large
    and full, which those of a fork hardly ever are.
    """
    number = _KCMP.get(platform.machine())
    answer = -1 if number is None else _libc().syscall(number, pid, other, 1, 0, 0)  # 1: KCMP_VM
    if answer >= 0:
        return bool(answer == 0)
    one, two = proc_status(pid), proc_status(other)
    return one is not None and two is not None and (one.mapped, one.resident) == (two.mapped, two.resident)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def resident_mib() -> float | None:
    """Resident set of this process in MiB; None where it cannot be read."""
    found = proc_status(os.getpid())
    return None if found is None else found.resident


def high_water_mib() -> float | None:
    """The kernel's high-water mark of this process's resident set (VmHWM) in MiB; None where there is none."""
    found = proc_status(os.getpid()) if LINUX else None
    return None if found is None else found.high_water


def reset_high_water() -> bool:
    """Start this process's high-water mark anew at what it uses now; False where the kernel cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
