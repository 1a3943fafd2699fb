"""Durations and sizes as people write them in a study: ``6h``, ``1h30m``, ``45s``; ``12.7GB``, ``3GiB``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, ByteSize, Field

__all__ = ["Bytes", "Seconds", "parse_seconds"]

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d)", re.IGNORECASE)


def parse_seconds(value: object) -> float:
    """Return a duration in seconds from a number of seconds or a string such as ``6h``, ``1h30m`` or ``250ms``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a duration is a number of seconds or a string such as 6h, 90m, 1h30m or 45s")
    if isinstance(value, int | float):
        return float(value)
    text = value.strip()
    try:
        return float(text)
    except ValueError:
        parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ValueError(f"{value!r} is not a duration; write a number of seconds, or 6h, 90m, 1h30m, 45s")
    return sum(float(number) * _UNIT_SECONDS[unit.lower()] for number, unit in parts)


Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0, allow_inf_nan=False)]
"""Seconds, more than zero; a string with units is read by `parse_seconds`."""

Bytes = Annotated[ByteSize, Field(gt=0)]
"""Bytes; a string such as ``12.7GB`` (powers of 1000) or ``3GiB`` (powers of 1024) is read by pydantic."""
