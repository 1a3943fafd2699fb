"""What is wrong with a study file, where, and what is allowed there."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from bench.errors import nearest
from bench.study.schema import Study
from bench.study.yaml_lines import Location

__all__ = ["causes", "explain", "place_of"]


def causes(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without the lists that are too short only because an item in them is wrong, which is reported already."""
    inner = {detail["loc"][:-1] for detail in details}
    return [detail for detail in details if not (detail["type"] == "too_short" and detail["loc"] in inner)]


def explain(
    detail: ErrorDetails,
    where: str,
    marks: Mapping[Location, int],
    given: set[Location] = frozenset(),  # type: ignore[assignment]
) -> str:
    location = tuple(part for part in detail["loc"] if not str(part).startswith(("function-", "constrained-")))
    key = ".".join(str(part) for part in location) or "the study"
    option = "--device" if location[:1] == ("devices",) and len(location) > 1 else "--set"
    source = option if location in given else place_of(location, where, marks)
    prefix = f"{source}: {key}: "
    if detail["type"] == "extra_forbidden":
        allowed = _fields_at(location[:-1])
        return f"{prefix}unknown key.{nearest(str(location[-1]), allowed)} Choose from {', '.join(allowed)}."
    if detail["type"] == "missing":
        return f"{prefix}this key is needed, and is missing."
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "literal_error":
        expected = _literals_at(location)
        message = f"choose from {', '.join(expected)}.{nearest(str(detail['input']), expected)}"
    elif detail["type"] == "tuple_type":
        message = "this is a list: [a, b]"
    elif detail["type"] in ("model_type", "dict_type"):
        message = f"this is a mapping with the keys {', '.join(_fields_at(location)) or 'of your choice'}"
    elif detail["type"] == "too_short":
        message = "the list is empty; name one at least"
    shown = repr(detail["input"])
    got = f" (found {shown[:80]})" if detail["type"] != "value_error" and detail["input"] is not None else ""
    return f"{prefix}{message}{got}"


def place_of(location: Location, where: str, marks: Mapping[Location, int]) -> str:
    for end in range(len(location), 0, -1):
        if location[:end] in marks:
            return f"{where}, line {marks[location[:end]]}"
    return where


def _annotation_at(location: Location) -> Any:
    """The type that the study's schema has at a location; None where there is none."""
    current: Any = Study
    for part in location:
        current = _unwrapped(current)
        if isinstance(part, int):
            current = next((a for a in get_args(current) if a is not Ellipsis), None)
        elif isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            current = current.model_fields[part].annotation
        else:
            return None
    return _unwrapped(current)


def _unwrapped(annotation: Any) -> Any:
    """Without Annotated and without ``| None``."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation


def _fields_at(location: Location) -> list[str]:
    found = _annotation_at(location)
    return list(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else []


def _literals_at(location: Location) -> list[str]:
    found = _annotation_at(location)
    return [str(value) for value in get_args(found)] if get_origin(found) is Literal else []
