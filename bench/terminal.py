"""The one escape that every text of a user, a file or a library passes on its way to a terminal."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control and format characters (among them those that turn the direction of writing), halves of pairs, separators."""
_JOINERS = "\u200c\u200d"
"""Format characters that words and emoji need, and that change nothing around them."""


def printable(text: str, *, lines: bool = True) -> str:
    """Return ``text`` with what could control a terminal written as an escape, such as ``\\x1b``.

    lines: whether line ends stay; False for a name, which must not fake a line of its own.
    """
    kept = _JOINERS + ("\n" if lines else "")
    if text.isprintable():
        return text
    return "".join(
        char if char in kept or unicodedata.category(char) not in _HIDDEN else char.encode("unicode_escape").decode()
        for char in text
    )
