"""Silence for libraries written in C that print what they think of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet", "silence"]


def silence() -> None:
    """Send what this process writes to its standard error nowhere, from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


@contextmanager
def quiet() -> Iterator[None]:
    """Send what is written to the standard error nowhere for a moment; it is the whole process's, so be short."""
    try:
        before = os.dup(2)
    except OSError:  # it is closed, so nothing can be printed there
        yield
        return
    try:
        silence()
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
