"""Settings given beside a study file: ``--set key=value``, ``--data`` and ``--device``."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from bench.errors import DataError, StudyError, nearest
from bench.registry import registry
from bench.study.schema import absolute, is_file
from bench.study.yaml_lines import Location, Mark, kind_of, parse_value, problem_of

__all__ = ["apply_setting", "assign", "point_at_data", "split_setting"]

_SHOWN = 80
_LONGEST = 20_000
"""Characters of a value."""


_AS_TYPED = ("dataset.layout",)
"""Texts that begin with what YAML takes for a mapping or an alias: ``{class}/*``, ``*/{class}/*``."""


def apply_setting(tree: dict[str, Any], setting: str, marks: dict[Location, Mark], given: dict[Location, str]) -> None:
    """Set a dotted key of the tree; ``marks`` and ``given`` (places to the option that set them) follow it."""
    key, value, places = split_setting(setting)
    option = f"--set {'.'.join(key)}"
    for location in assign(tree, key, value):
        for old in [known for known in marks if known[: len(location)] == location]:
            del marks[old]
        marks |= {(*location, *inner): mark for inner, mark in places.items()}
        given[location] = option[:_SHOWN]


def split_setting(setting: str) -> tuple[list[str], Any, dict[Location, Mark]]:
    """The key, the value, and the places within it as they were written."""
    key, equals, raw = setting.partition("=")
    if not equals or not key.strip():
        raise StudyError(f"--set {setting[:_SHOWN]!r}: write key=value, for example --set train.epochs=5.")
    if len(raw) > _LONGEST:
        raise StudyError(f"--set {setting[:_SHOWN]!r}: a value of {len(raw):,} characters; write it into a study file.")
    if key.strip() in _AS_TYPED and raw[:1] not in ("'", '"'):
        return key.strip().split("."), raw.strip(), {}
    try:
        return key.strip().split("."), *parse_value(raw)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise StudyError(f"--set {setting[:_SHOWN]!r}: the value is invalid YAML ({problem_of(error)}).") from error


def assign(tree: dict[str, Any], key: list[str], value: object) -> list[Location]:
    """Set a dotted key and return where; below ``models``, an item is named by number, name or label, or pattern."""
    if key[0] == "models" and len(key) > 2:
        *middle, last = key[1:]
        found = _matching_models(tree, ".".join(middle))
        for index in found:
            entry = tree["models"][index]
            if last == "weights" and isinstance(value, str) and is_file(value):
                value = str(absolute(Path(value), Path.cwd()))  # typed here, so meant from here
            tree["models"][index] = {**(entry if isinstance(entry, dict) else {"name": entry}), last: value}
        return [("models", index, last) for index in found]
    place: Any = tree
    for part in key[:-1]:
        inner = place.get(part)
        if inner is None:
            inner = place[part] = {}
        if not isinstance(inner, dict):
            raise StudyError(f"--set {'.'.join(key)}: {part} holds {kind_of(inner)}, so nothing can be set below it.")
        place = inner
    place[key[-1]] = value
    return [tuple(key)]


def _matching_models(tree: dict[str, Any], wanted: str) -> list[int]:
    models = tree.get("models")
    entries = models if isinstance(models, list) else []
    given = [[e.get("name"), e.get("label")] if isinstance(e, dict) else [e] for e in entries]
    names = [[str(name) for name in known if name] for known in given]
    numbered = [i for i in range(len(entries)) if str(i) == wanted]
    exact = [i for i, known in enumerate(names) if wanted in known]
    alike = [i for i, known in enumerate(names) if any(fnmatchcase(name, wanted) for name in known)]
    found = exact or numbered or alike  # exact first: a label may be a number, or hold a pattern's [ ] * ?
    if not found:
        known = [name for group in names for name in group]
        raise StudyError(
            f"--set models.{wanted}: no model of this study has that name.{nearest(wanted, known)} "
            f"Its models: {', '.join(known)}."
        )
    return found


def point_at_data(tree: dict[str, Any], path: Path) -> None:
    if not os.path.exists(absolute(path, Path.cwd())):  # noqa: PTH110 - as above
        raise DataError(f"--data {str(path)!r}: there is no such file or folder. Check the path.")
    dataset = tree.get("dataset") or {}
    if not isinstance(dataset, dict):
        raise StudyError(f"dataset: this is a mapping (source, path, image_size ...), not {kind_of(dataset)}.")
    dataset = {**dataset, "path": str(absolute(path, Path.cwd()))}
    source = dataset.get("source") or "synthetic"
    if source in registry("sources").names():  # an unknown one is reported with its line
        for key in registry("sources").load(source).dropped_by_data:
            dataset.pop(key, None)
    tree["dataset"] = dataset
