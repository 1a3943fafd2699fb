"""What systems and programs leave behind in folders and zips."""

from __future__ import annotations

from pathlib import PurePosixPath

__all__ = ["in_system_folder", "is_litter"]

_FILES = frozenset(
    {".ds_store", ".directory", ".gitkeep", ".gitignore", "desktop.ini", "ehthumbs.db", "icon\r", "thumbs.db"}
)
_FOLDERS = frozenset(
    {
        "#recycle",  # Synology
        "#snapshot",
        "@eadir",  # Synology's thumbnails, themselves .jpg
        "@recently-snapshot",  # QNAP
        "@recycle",
        "$recycle.bin",
        "__pycache__",
        "found.000",
        "lost+found",
        "network trash folder",
        "recycled",
        "recycler",
        "system volume information",
        "temporary items",
        "~snapshot",
    }
)


def is_litter(path: PurePosixPath) -> bool:
    """Whether ``path`` is no file of a user, and not worth a word: a resource fork, a list of thumbnails."""
    name = path.name
    return "__MACOSX" in path.parts or name.startswith("._") or name.lower() in _FILES


def in_system_folder(path: PurePosixPath) -> bool:
    """Whether ``path`` is or lies in a folder that a system keeps for itself: a recycle bin, a store of thumbnails."""
    return any(part == "__MACOSX" or part.lower() in _FOLDERS for part in path.parts)
