"""The base of everything that a run stores."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

__all__ = ["SCHEMA_VERSION", "Stored", "storable"]

SCHEMA_VERSION: Final = 2
"""Version of the layout of a run folder; older ones are read through `bench.results.migrate`."""


class Stored(BaseModel):
    """Immutable; keys of a newer minor release are passed over; every field has its docstring in the JSON schema."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def storable(text: str) -> str:
    """Return a file's name, or a message that holds one, as JSON takes it: bytes that are no UTF-8 are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
