"""What systems and programs leave behind in folders and zips."""

from __future__ import annotations

from collections.abc import Iterable

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


def is_litter(path: str) -> bool:
    """Whether ``path`` is no file of a user, and not worth a word: a resource fork, a list of thumbnails."""
    folder, _, name = path.rpartition("/")
    return name.startswith("._") or name.lower() in _FILES or "__MACOSX" in folder.split("/")


def in_system_folder(folders: Iterable[str]) -> bool:
    """Whether one of these folders is kept by a system for itself: a recycle bin, a store of thumbnails."""
    return any(name == "__MACOSX" or name.lower() in _FOLDERS for name in folders)
