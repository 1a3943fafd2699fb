"""The one door to every stored file: a regular file of honest size, UTF-8, well formed, of a schema that is known."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bench.errors import RunError, StudyError
from bench.results.files import read_regular
from bench.results.stored import SCHEMA_VERSION
from bench.terminal import printable

__all__ = [
    "LARGEST_RESULT",
    "LARGEST_TEXT",
    "Upgrade",
    "damaged",
    "parse_json",
    "parse_lines",
    "parse_mapping",
    "parse_yaml",
    "read_bytes",
    "read_text",
]

LARGEST_TEXT = 2**26
"""Bytes: no run stores more in a text file but where others are named; a larger one would only fill the memory."""
LARGEST_RESULT = 2**28
"""Bytes of what holds a confusion matrix: one of 6,000 classes."""

_LONGEST_NUMBER = 18
"""Digits of a whole number; longer ones fit no 64 bits, and a few hundred fit no float."""
_LARGEST_FLOAT = 1e300
"""Sums of larger ones are infinite."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_OLDEST = 1
_SHOWN = 300
"""Characters of a reason that a message shows: a parser may quote the whole file."""

Model = TypeVar("Model", bound=BaseModel)

Upgrade = Callable[[dict[str, Any], int], dict[str, Any]]
"""Takes a file's mapping and its schema version, an older one, to the mapping of the present version."""


def read_bytes(path: Path, *, advice: str, largest: int = LARGEST_TEXT) -> bytes:
    """Return what a stored file holds. Raises `RunError` that names it; ``advice``: what to do where it is damaged."""
    try:
        return read_regular(path, largest)
    except OSError as error:
        if error.errno in (errno.EFBIG, errno.EINVAL, errno.ENXIO, errno.EISDIR):
            reason = "not a regular file" if error.errno != errno.EFBIG else f"{error.strerror}, as no run stores it"
            raise damaged(path, reason, advice) from error
        raise RunError(
            f"{printable(str(path), lines=False)} cannot be read: {error.strerror or error}. Make it readable to you."
        ) from error


def read_text(path: Path, *, advice: str, largest: int = LARGEST_TEXT) -> str:
    """As `read_bytes`, of text in UTF-8."""
    try:
        return read_bytes(path, advice=advice, largest=largest).decode()
    except UnicodeDecodeError as error:
        raise damaged(path, f"byte {error.start} is not UTF-8", advice) from error


def parse_json(
    text: str | bytes, where: Path | str, model: type[Model], upgrade: Upgrade | None, *, advice: str
) -> Model:
    """Return the model that JSON text holds, brought to the present schema; `RunError` names ``where`` and the field.

    upgrade: takes an older schema to the present one; None for a file that is the same in all of them, or that has
    no version. A file whose ``schema_version`` is missing is of the first version where it has an upgrade.
    """
    try:
        raw = json.loads(text, parse_int=_whole, parse_float=_fraction)
        if _SURROGATE.search(text if isinstance(text, str) else text.decode()):
            json.dumps(raw, ensure_ascii=False).encode()  # halves of pairs can be written nowhere
    except UnicodeEncodeError as error:
        raise damaged(where, "a text holds half of a surrogate pair", advice) from error
    except (ValueError, RecursionError) as error:
        raise damaged(where, str(error), advice) from error
    return parse_mapping(raw, where, model, upgrade, advice=advice)


def parse_lines(text: str, where: Path, model: type[Model], *, advice: str) -> list[Model]:
    """Return what each line of a .jsonl file holds; a last line that a kill has cut short is left out.

    Raises `RunError`, which names the line, for any other that is not a mapping of the model.
    """
    *lines, last = text.split("\n")
    whole = [line for line in lines if line.strip()] + ([last] if _is_json(last) else [])
    return [
        parse_json(line, f"{where}, line {number}", model, None, advice=advice)
        for number, line in enumerate(whole, start=1)
    ]


def _is_json(line: str) -> bool:
    try:
        return json.loads(line) is not None
    except (ValueError, RecursionError):
        return False


def parse_mapping(raw: object, where: Path | str, model: type[Model], upgrade: Upgrade | None, *, advice: str) -> Model:
    """As `parse_json`, of what has been parsed already."""
    if not isinstance(raw, dict):
        raise damaged(where, "it holds no mapping", advice)
    if "schema_version" in model.model_fields:
        version = _version(raw, where, advice)
        if version < SCHEMA_VERSION and upgrade is not None:
            try:
                raw = {**upgrade(raw, version), "schema_version": SCHEMA_VERSION}
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
                raise damaged(where, f"of schema {version}, {type(error).__name__}: {error}", advice) from error
    try:
        return model.model_validate(raw, context={"stored": True})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        if first["type"] == "extra_forbidden":  # of what decides on a result, nothing is passed over
            raise RunError(
                f"{printable(str(where), lines=False)} was written by another version of patchbench: it holds "
                f"{printable(field[:_SHOWN], lines=False)}, which this one does not "
                f"know. Use that version (environment.json names it), or run the study into another folder."
            ) from error
        raise damaged(where, f"{field}: {first['msg'].removeprefix('Value error, ')}", advice) from error


def parse_yaml(text: str, where: Path | str, model: type[Model], *, advice: str) -> Model:
    """As `parse_json`, of YAML; a duplicate key or an alias is refused."""
    from bench.study.yaml_lines import parse

    try:
        raw, _ = parse(text, str(where))
    except StudyError as error:
        raise damaged(where, str(error).removeprefix(str(where)).lstrip(",: "), advice) from error
    return parse_mapping(raw, where, model, None, advice=advice)


def damaged(where: Path | str, reason: str, advice: str) -> RunError:
    """Return the error for a stored file that is not what it should be."""
    shown = printable(reason if len(reason) <= _SHOWN else f"{reason[:_SHOWN]}...", lines=False)
    return RunError(f"{printable(str(where), lines=False)} is damaged ({shown}). {advice}")


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER + 1:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _fraction(digits: str) -> float:
    found = float(digits)
    if abs(found) > _LARGEST_FLOAT:
        raise ValueError(f"the number {digits[:40]} is larger than any run stores")
    return found


def _version(raw: dict[str, Any], where: Path | str, advice: str) -> int:
    version = raw.get("schema_version", _OLDEST)
    if type(version) is not int:
        raise damaged(where, f"schema_version: {version!r} is not a whole number", advice)
    if not _OLDEST <= version <= SCHEMA_VERSION:
        age = "a newer" if version > SCHEMA_VERSION else "an older"
        raise RunError(
            f"{printable(str(where), lines=False)} was written by {age} patchbench (schema {version}; this one reads "
            f"{_OLDEST} to {SCHEMA_VERSION}). Use that version, or run the study into another folder."
        )
    return version
