"""``dataset.layout``: which level of folders is the split, the class and the group of an image.

A pattern such as ``{split}/{class}/{group}/*`` has a part for each folder on the way to an image: a role in braces,
``*`` for a folder of any name, or the name of the one folder that counts. Its last part stands for the images: ``*``
for those in that very folder, ``**`` for those in folders below it too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CLASS", "GROUP", "SPLIT", "Layout"]

SPLIT, CLASS, GROUP = "{split}", "{class}", "{group}"

_ROLES = (SPLIT, CLASS, GROUP)
_MOST_LEVELS = 32


@dataclass(frozen=True, slots=True)
class Layout:
    """A pattern, taken apart."""

    levels: tuple[str, ...]
    """A role, ``*`` or a folder's name (in NFC) for each folder, from the outermost to the one that holds images."""
    deep: bool = False
    """Whether images in further folders below the last level belong to it too."""

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Return the layout that ``text`` describes; a ValueError says what is wrong with it."""
        *levels, files = unicodedata.normalize("NFC", text).strip().removeprefix("./").split("/")
        if files not in ("*", "**"):
            raise ValueError(
                f"{text!r} must end with the images: /* for those in the last folder, /** for those below it too; "
                f"for example {{class}}/*"
            )
        if len(levels) > _MOST_LEVELS:
            raise ValueError(f"{len(levels)} levels; {_MOST_LEVELS} at most are allowed")
        for level in levels:
            if level not in (*_ROLES, "*") and (level in ("", ".", "..") or set(level) & set("{}*")):
                raise ValueError(
                    f"{text!r}: {level!r} is no level; each is {', '.join(_ROLES)}, * or the whole name of a folder"
                )
        for role in _ROLES:
            if levels.count(role) > 1 or (role == CLASS and role not in levels):
                raise ValueError(f"{text!r} must name {role} {'exactly' if role == CLASS else 'at most'} once")
        return cls(tuple(levels), files == "**")

    def __str__(self) -> str:
        return "/".join((*self.levels, "**" if self.deep else "*"))

    def match(self, folders: Sequence[str]) -> dict[str, str] | None:
        """Return the folder of each role for an image in these folders (names in NFC); None where they do not fit."""
        depth = len(self.levels)
        if len(folders) < depth or (len(folders) > depth and not self.deep):
            return None
        pairs = list(zip(self.levels, folders, strict=False))
        if any(level not in (*_ROLES, "*", name) for level, name in pairs):
            return None
        return {level: name for level, name in pairs if level in _ROLES}
