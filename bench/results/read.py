"""The one door to every stored file: a regular file of honest size, UTF-8, well formed, of a schema that is known."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bench.errors import RunError, StudyError
from bench.results.stored import SCHEMA_VERSION

__all__ = ["Upgrade", "damaged", "parse_json", "parse_mapping", "parse_yaml", "read_text"]

_LARGEST_FILE = 2**30
"""No run stores more in one file; reading a larger one would only fill the memory."""

_OLDEST = 1
_SHOWN = 300
"""Characters of a reason that a message shows: a parser may quote the whole file."""

Model = TypeVar("Model", bound=BaseModel)

Upgrade = Callable[[dict[str, Any], int], dict[str, Any]]
"""Takes a file's mapping and its schema version, an older one, to the mapping of the present version."""


def read_text(path: Path, *, advice: str, largest: int = _LARGEST_FILE) -> str:
    """Return the text of a stored file. Raises `RunError` that names it; ``advice``: what to do where it is damaged."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise RunError(f"{path} cannot be read: it is not a regular file. {advice}")
        if about.st_size > largest:
            raise damaged(path, f"{about.st_size / 2**20:,.0f} MiB, more than any run stores in it", advice)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"byte {error.start} is not UTF-8", advice) from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}. Make it readable to you.") from error


def parse_json(
    text: str | bytes, where: Path | str, model: type[Model], upgrade: Upgrade | None, *, advice: str
) -> Model:
    """Return the model that JSON text holds, brought to the present schema; `RunError` names ``where`` and the field.

    upgrade: takes an older schema to the present one; None for a file that is the same in all of them, or that has
    no version. A file whose ``schema_version`` is missing is of the first version where it has an upgrade.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(where, str(error), advice) from error
    return parse_mapping(raw, where, model, upgrade, advice=advice)


def parse_mapping(raw: object, where: Path | str, model: type[Model], upgrade: Upgrade | None, *, advice: str) -> Model:
    """As `parse_json`, of what has been parsed already."""
    if not isinstance(raw, dict):
        raise damaged(where, "it holds no mapping", advice)
    if "schema_version" in model.model_fields:
        version = _version(raw, where, advice)
        if version < SCHEMA_VERSION and upgrade is not None:
            try:
                raw = {**upgrade(raw, version), "schema_version": SCHEMA_VERSION}
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise damaged(where, f"of schema {version}, {type(error).__name__}: {error}", advice) from error
    try:
        return model.model_validate(raw, context={"stored": True})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        if first["type"] == "extra_forbidden":  # of what decides on a result, nothing is passed over
            raise RunError(
                f"{where} was written by another version of patchbench: it holds {field}, which this one does not "
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
    shown = reason if len(reason) <= _SHOWN else f"{reason[:_SHOWN]}..."
    return RunError(f"{where} is damaged ({shown}). {advice}")


def _version(raw: dict[str, Any], where: Path | str, advice: str) -> int:
    version = raw.get("schema_version", _OLDEST)
    if type(version) is not int:
        raise damaged(where, f"schema_version: {version!r} is not a whole number", advice)
    if not _OLDEST <= version <= SCHEMA_VERSION:
        age = "a newer" if version > SCHEMA_VERSION else "an older"
        raise RunError(
            f"{where} was written by {age} patchbench (schema {version}; this one reads {_OLDEST} to {SCHEMA_VERSION})."
            f" Use that version, or run the study into another folder."
        )
    return version
