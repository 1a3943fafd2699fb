"""Control groups of this process as Linux shows them: where they lie, and what they and those above them allow."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["MOUNT", "OomKills", "cpu_quota", "cpu_throttled", "memory_limit", "memory_room", "oom_kills", "own_group"]

MOUNT = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60
"""Version 1 writes a number near 2^63 for no limit."""


def own_group(controller: str, mount: Path = MOUNT, own: str | None = None) -> tuple[Path | None, Path | None]:
    """The folders of this process's groups of version 2 and of version 1; None where there is no such.

    controller: ``memory`` or ``cpu``. own: the text of /proc/self/cgroup. A container without a namespace of its own is
    given paths that it cannot see; its root is its group then.
    """
    newer = older = None
    for line in (_own() if own is None else own).splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            newer = _existing(mount, path)
        elif controller in names.split(","):
            older = _existing(mount / controller, path)
    return newer, older


def _own() -> str:
    try:
        return Path("/proc/self/cgroup").read_text()
    except OSError:
        return ""


def _existing(root: Path, path: str) -> Path | None:
    seen = () if ".." in path.split("/") else (root / path.strip("/"),)
    return next((folder for folder in (*seen, root) if folder.is_dir()), None)


def _upwards(controller: str, mount: Path, own: str | None) -> list[Path]:
    """The groups of both versions and all above them: a limit of any of them holds."""
    newer, older = own_group(controller, mount, own)
    found = []
    for folder, root in ((newer, mount), (older, mount / controller)):
        while folder is not None:
            found.append(folder)
            folder = None if folder == root else folder.parent
    return found


def memory_limit(mount: Path = MOUNT, own: str | None = None) -> int | None:
    """Bytes that this process and those beside it may use; None where there is no limit."""
    return min((limit for limit, _ in _memory(mount, own)), default=None)


def memory_room(mount: Path = MOUNT, own: str | None = None) -> int | None:
    """Bytes that may still be used below the limits, pages of files that can be let go of not counted as used."""
    return min((max(0, limit - used) for limit, used in _memory(mount, own)), default=None)


def _memory(mount: Path, own: str | None) -> list[tuple[int, int]]:
    """Limit and use of every group that has a limit."""
    found = []
    for folder in _upwards("memory", mount, own):
        for limit_file, used_file, kept in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _number(folder / limit_file)
            if limit is not None and limit < _UNLIMITED:
                used = _number(folder / used_file) or 0
                found.append((limit, max(0, used - (_stat(folder / "memory.stat", kept) or 0))))
    return found


class OomKills(NamedTuple):
    """How many processes the kernel has killed for want of memory; 0 where it does not say."""

    own: int
    """Of this process's group, those above or below it left out."""
    machine: int
    """Of the whole machine, since boot."""
    are_told_apart: bool
    """Whether the group has a count of its own; the root of all groups has none."""


def oom_kills(mount: Path = MOUNT, own: str | None = None, vmstat: Path = Path("/proc/vmstat")) -> OomKills:
    """Count the kernel's kills so far."""
    newer, older = own_group("memory", mount, own)
    files = [folder / name for folder in (newer,) if folder for name in ("memory.events.local", "memory.events")]
    files += [older / "memory.oom_control"] if older else []
    found = next((count for file in files if (count := _stat(file, "oom_kill")) is not None), None)
    return OomKills(found or 0, _stat(vmstat, "oom_kill") or 0, found is not None)


def cpu_quota(mount: Path = MOUNT, own: str | None = None) -> float | None:
    """How many cores' worth of time the groups allow; None where there is no limit."""
    quotas = []
    for folder in _upwards("cpu", mount, own):
        newer = (_text(folder / "cpu.max") or "").split()
        if len(newer) == 2 and newer[0].isdigit():
            quotas.append(int(newer[0]) / int(newer[1]))
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota and period and quota > 0:
            quotas.append(quota / period)
    return min(quotas, default=None)


def cpu_throttled(mount: Path = MOUNT, own: str | None = None) -> float | None:
    """Seconds for which a quota has kept this process's group from running; None where there is no such account."""
    for folder in _upwards("cpu", mount, own):
        for key, unit in (("throttled_usec", 1e6), ("throttled_time", 1e9)):
            count = _stat(folder / "cpu.stat", key)
            if count is not None:
                return count / unit
    return None


def _stat(file: Path, key: str) -> int | None:
    for line in (_text(file) or "").splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return int(value)
    return None


def _number(file: Path) -> int | None:
    text = _text(file) or ""
    return int(text) if text.removeprefix("-").isdigit() else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
