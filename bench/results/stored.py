"""The base of everything that a run stores."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Stored"]


class Stored(BaseModel):
    """Immutable; keys of a newer minor release are passed over; every field has its docstring in the JSON schema."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
