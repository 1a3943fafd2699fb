"""What is wrong with a study file, where, and what is allowed there."""

from __future__ import annotations

import datetime
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from bench.errors import nearest
from bench.study.schema import Study
from bench.study.yaml_lines import Location, Mark

__all__ = ["causes", "explain", "explain_truth", "place_of"]

_SHOWN = 80
_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    datetime.date: "a date",
    datetime.datetime: "a date",
    type(None): "nothing",
}


def causes(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without the lists that are too short only because an item in them is wrong, which is reported already."""
    inner = {detail["loc"][:end] for detail in details for end in range(len(detail["loc"]))}
    return [detail for detail in details if not (detail["type"] == "too_short" and detail["loc"] in inner)]


def explain(
    detail: ErrorDetails,
    where: str,
    marks: Mapping[Location, Mark],
    given: Mapping[Location, str],
) -> str:
    """One line: where the mistake stands, or which option made it, what is wrong, and what is allowed."""
    location = tuple(part for part in detail["loc"] if not str(part).startswith(("function-", "constrained-")))
    key = ".".join(str(part) for part in location) or "the study"
    prefix = f"{place_of(location, where, marks, given)}: {key[:_SHOWN]}: "
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
    written = marks[location].text if location in marks else ""
    if detail["type"] in ("string_type", "literal_error") and written and not isinstance(detail["input"], str):
        return f"{prefix}YAML reads {written[:_SHOWN]} as {_KINDS.get(type(detail['input']), 'no text')}: write " + (
            f"'{written[:_SHOWN]}' in quotes." if detail["type"] == "string_type" else f"a text; {message}"
        )
    if detail["type"] in ("int_parsing", "float_parsing") and _is_number(written):
        return f"{prefix}YAML reads {written[:_SHOWN]} as a text: write {float(written):.10g}"
    shown = repr(detail["input"])
    got = f" (found {shown[:_SHOWN]})" if detail["type"] != "value_error" and detail["input"] is not None else ""
    return f"{prefix}{message}{got}"


def explain_truth(location: Location, where: str, marks: Mapping[Location, Mark], given: Mapping[Location, str]) -> str:
    """One line on a truth value that stands where a number should."""
    key = ".".join(map(str, location))[:_SHOWN]
    written = marks[location].text if location in marks else ""
    reads = f"YAML reads {written[:_SHOWN]} as true or false" if written else "true or false"
    return f"{place_of(location, where, marks, given)}: {key}: this is a number: {reads}"


def _is_number(text: str) -> bool:
    """Whether it is a number to everyone but YAML 1.1, such as 1e3."""
    try:
        return abs(float(text)) < 1e300
    except ValueError:
        return False


def place_of(location: Location, where: str, marks: Mapping[Location, Mark], given: Mapping[Location, str]) -> str:
    """The option that set a value, or one within it; else the file and the line."""
    for known, option in given.items():
        if location[: len(known)] == known or (location and known[: len(location)] == location):
            return option
    for end in range(len(location), 0, -1):
        if location[:end] in marks:
            return f"{where}, line {marks[location[:end]].line}"
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
