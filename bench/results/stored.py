"""The base of everything that a run stores."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["SCHEMA_VERSION", "Amount", "Count", "Share", "Stored", "storable"]

SCHEMA_VERSION: Final = 2
"""Version of the layout of a run folder; older ones are read through `bench.results.migrate`."""


Count = Annotated[int, Field(ge=0, le=10**18)]
"""How many of something there are."""

Amount = Annotated[float, Field(ge=0, le=1e18)]
"""Seconds, MiB, joules and the like: never negative."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole."""


class Stored(BaseModel):
    """Immutable; keys of a newer minor release are passed over; every field has its docstring in the JSON schema."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def storable(text: str) -> str:
    """Return a file's name, or a message that holds one, as JSON takes it: bytes that are no UTF-8 are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
