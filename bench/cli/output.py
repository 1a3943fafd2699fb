"""What all commands print alike."""

from __future__ import annotations

__all__ = ["printable"]


def printable(line: str) -> str:
    """Escape what would break the line or command the terminal: names are whatever a file system takes."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in line)
