"""The files that a CSV names, where the file system may write an accent in the other of Unicode's two ways."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath

__all__ = ["PathFinder"]


class PathFinder:
    """Finds files below a folder by names whose accents may be encoded otherwise (NFC, NFD)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> str | None:
        """Return what the file is called in its folder; None where there is none, or more than one."""
        if _is_file(self.folder / name):
            return name
        if name.isascii():
            return None
        here, found = self.folder, PurePosixPath()
        for part in PurePosixPath(name).parts:
            if part in ("/", "..") or os.path.lexists(here / part):
                known = [part]
            else:
                known = self._names(here).get(_normal(part), [])
            if len(known) != 1:
                return None
            here, found = here / known[0], found / known[0]
        return str(found) if _is_file(self.folder / found) else None

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """What lies in a folder, by its name in NFC."""
        if folder not in self._listed:
            listed: dict[str, list[str]] = {}
            try:
                for name in os.listdir(folder):  # noqa: PTH208 - names alone
                    listed.setdefault(_normal(name), []).append(name)
            except OSError:
                listed = {}
            self._listed[folder] = listed
        return self._listed[folder]


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False
