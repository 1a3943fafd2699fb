"""The processes of a cell: finding all of them, however far they have wandered, and ending every one.

A child can fork, and what it forks can leave its process group and its session and be adopted by init. What it cannot
leave without wanting to is its environment: each child is started with a mark in it, which all that it starts inherit.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["MARK", "born", "descendants", "end_marked", "marked"]

MARK = "PATCHBENCH_CELL"
"""Name of the environment variable that all processes of a cell carry; its value is the cell's folder."""

_PROC = Path("/proc")
_LINUX = sys.platform.startswith("linux")
_ROUNDS = 20


def descendants(pid: int) -> list[int]:
    """The process and all that it has started and that are still below it; empty when it is gone."""
    if _LINUX:
        found, todo = [], [pid]
        while todo:
            one = todo.pop()
            children = _children(one)
            if children is None:
                continue
            found.append(one)
            todo += children
        return found
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _children(pid: int) -> list[int] | None:
    """The kernel's list of a process's children, which is far cheaper than looking at all processes."""
    try:
        with os.scandir(f"/proc/{pid}/task") as entries:
            tasks = [entry.name for entry in entries]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    found: list[int] = []
    for task in tasks:
        with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123 - called ten times a second
            found += map(int, file.read().split())
    return found


def born(pid: int) -> float:
    """When a process was started, which with its number names it for good; 0 where there is none any more."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def marked(mark: str) -> list[int]:
    """All processes of this user that carry the mark, this one left out."""
    if _LINUX:
        wanted = f"{MARK}={mark}".encode()
        return [pid for pid in _all_pids() if pid != os.getpid() and wanted in _environment(pid)]
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process.pid)
    return found


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return []


def end_marked(mark: str) -> int:
    """Kill everything that carries the mark, also what is forked meanwhile; returns how many were killed."""
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        alive = marked(mark)
        if not alive:
            break
        for pid in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
                killed.add(pid)
        time.sleep(0.005)
    return len(killed)
