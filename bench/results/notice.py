"""What a run has to say to a person: a code and values, worded by `reports.text.messages` in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import Field, field_validator, model_validator

from bench.results.stored import Stored, storable

__all__ = ["Notice", "Value", "list_names", "several", "verbatim"]


_DEEPEST = 20


class Notice(Stored):
    """One statement. Which codes there are, and their wording, stands in `reports.text.messages.MESSAGES`."""

    code: str = Field(max_length=100)
    """Names the statement: ``unreadable_files``, ``time_limit`` ..."""
    values: dict[str, Value] = Field(default_factory=dict)
    """What stands in its places: names as they are, numbers without a format, and notices within it."""

    @field_validator("values", mode="before")
    @classmethod
    def _storable(cls, values: object) -> object:
        """An exception's message may hold a file's name as the system has it."""
        if not isinstance(values, dict):
            return values
        return {place: storable(value) if isinstance(value, str) else value for place, value in values.items()}

    @model_validator(mode="after")
    def _shallow(self) -> Self:
        if self._depth() > _DEEPEST:
            raise ValueError("notices lie in notices, deeper than any run stores them")
        return self

    def _depth(self) -> int:
        parts = [part for value in self.values.values() for part in (value if isinstance(value, tuple) else (value,))]
        return 1 + max((part._depth() for part in parts if isinstance(part, Notice)), default=0)

    @classmethod
    def of(cls, code: str, /, **values: Value) -> Self:
        """Return a notice; ``Notice.of("time_limit", seconds=60.0)``."""
        return cls(code=code, values=values)


Value = str | int | float | Notice | tuple[Notice, ...]
"""What a place of a notice may hold."""


def verbatim(text: str) -> Notice:
    """Return a notice for what has no wording of ours: an exception's message, a driver's answer."""
    return Notice.of("verbatim", text=text)


def several(notices: Sequence[Notice]) -> Notice | None:
    """Return one notice for all of them: None for none, the only one as it is."""
    return None if not notices else notices[0] if len(notices) == 1 else Notice.of("several", parts=tuple(notices))


def list_names(names: Sequence[str], of: int) -> tuple[Notice, ...]:
    """Return names for a place of a notice, and how many more there are where ``of`` is their number in all."""
    more = (Notice.of("and_more", count=of - len(names)),) if of > len(names) else ()
    return (*map(verbatim, names), *more)


Notice.model_rebuild()
