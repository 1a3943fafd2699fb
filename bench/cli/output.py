"""How commands print: every text of a user, a file or a library as one line that cannot command the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.terminal import printable

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["line", "write_text"]


def line(text: str, style: str = "") -> Text:
    """Return one line for rich, which reads no markup in it."""
    from rich.text import Text

    return Text(printable(text, lines=False), style=style)


def write_text(text: str) -> None:
    """Write a whole text to the standard output: as it is into a file or a pipe, escaped on a terminal."""
    shown = "\t".join(map(printable, text.split("\t"))) if sys.stdout.isatty() else text
    sys.stdout.write(shown)
