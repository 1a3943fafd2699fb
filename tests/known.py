"""What a test knows to be there, for values that may be missing elsewhere."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def known(value: T | None) -> T:
    """Assert that ``value`` is not None, and return it."""
    assert value is not None
    return value
