"""From a shipped name or a YAML file, and the settings given beside it, to a checked `Study`.

Every mistake is told with the file, the line and the key, what is allowed there, and the nearest match.
"""

from __future__ import annotations

import os
import types
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

import models_zoo
from bench.errors import DataError, StudyError, nearest
from bench.study.schema import ModelEntry, Study, absolute, is_file

__all__ = ["load_study", "shipped_studies"]

_LARGEST_FILE = 1_000_000
_Location = tuple[int | str, ...]


def shipped_studies() -> dict[str, str]:
    """Return the text of each study that comes with patchbench, by name."""
    folder = resources.files("bench") / "studies"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return {f.name.removesuffix(".yaml"): f.read_text(encoding="utf-8") for f in files}


def load_study(
    study: str | Path,
    *,
    data: str | Path | None = None,
    devices: Sequence[str] = (),
    settings: Sequence[str] = (),
) -> Study:
    """Read and check a study.

    study: a shipped name or a YAML file. data: a folder of class folders, a zip of one, a CSV, or a shipped source's
    archive; it takes the place of ``dataset.path``. devices: take the place of ``devices``. settings: ``key=value``
    with a dotted key (``train.epochs=5``, ``models.vit_*.weights=vit.safetensors``) and a YAML value.
    Raises `StudyError`.
    """
    text, where, base = _read(study)
    tree, marks = _parse(text, where)
    given: set[_Location] = set()
    for setting in settings:
        key, value = _split_setting(setting)
        given.add(_assign(tree, key, value))
    if data is not None:
        _point_at_data(tree, Path(data))
    if devices:
        tree["devices"] = list(devices)
        given |= {("devices", place) for place in range(len(devices))}
    checked = _validate(tree, where, marks, given)
    return _check_models(_with_absolute_paths(checked, base, given), where, marks)


def _read(study: str | Path) -> tuple[str, str, Path]:
    """Return the text, the name for messages and the folder that relative paths are meant from."""
    shipped = shipped_studies()
    if isinstance(study, str) and study in shipped:
        return shipped[study], f"study {study}", Path.cwd()
    path = absolute(Path(study), Path.cwd())
    if not os.path.isfile(path):  # noqa: PTH113 - False, where Path.is_file raises, for a name that is too long
        what = "a folder" if os.path.isdir(path) else "neither a shipped study nor a file"  # noqa: PTH112
        raise StudyError(
            f"{str(study)[:200]!r} is {what}.{nearest(str(study), shipped)} Shipped studies: {', '.join(shipped)}. "
            f"Or give the path of a YAML file."
        )
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise StudyError(f"{path} is larger than a megabyte: no study. Give a YAML file with name: and models:.")
        return path.read_text(encoding="utf-8"), str(path), path.resolve().parent
    except UnicodeDecodeError as error:
        raise StudyError(f"{path} is no text (byte {error.start} is not UTF-8). Give a YAML file.") from error
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}.") from error


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is an error, and aliases (which can explode) are refused."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases (*name) are not used here", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                message = f"the key {key.value!r} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def _parse(text: str, where: str) -> tuple[dict[str, Any], dict[_Location, int]]:
    """Return the file's mapping, and the line (from 1) of every key and list item."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        tree = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StudyError(f"{where}{line}: this is no YAML that can be read: {problem}.") from error
    if node is None or not isinstance(tree, dict):
        raise StudyError(f"{where}: a study is a mapping with name: and models:, not {_kind(tree)}.")
    return tree, dict(_lines(node, ()))


def _kind(value: object) -> str:
    names = {type(None): "an empty file", str: "a text", list: "a list"}
    return names.get(type(value), "a " + type(value).__name__)


def _lines(node: yaml.Node, location: _Location) -> Iterator[tuple[_Location, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*location, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*location, index), value.start_mark.line + 1
            yield from _lines(value, (*location, index))


def _split_setting(setting: str) -> tuple[list[str], Any]:
    key, equals, raw = setting.partition("=")
    if not equals or not key.strip():
        raise StudyError(f"--set {setting!r}: write key=value, for example --set train.epochs=5.")
    try:
        return key.strip().split("."), yaml.load(raw, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StudyError(f"--set {setting[:80]!r}: the value is no YAML ({problem}).") from error


def _assign(tree: dict[str, Any], key: list[str], value: object) -> _Location:
    """Set a dotted key; below ``models``, an item is named by its number, its name or label, or a pattern."""
    if key[0] == "models" and len(key) > 2:
        *middle, last = key[1:]
        for index in _matching_models(tree, ".".join(middle)):
            entry = tree["models"][index]
            if last == "weights" and isinstance(value, str) and is_file(value):
                value = str(absolute(Path(value), Path.cwd()))  # typed here, so meant from here
            tree["models"][index] = {**(entry if isinstance(entry, dict) else {"name": entry}), last: value}
        return ("models", last)
    place: Any = tree
    for part in key[:-1]:
        inner = place.get(part)
        if inner is None:
            inner = place[part] = {}
        if not isinstance(inner, dict):
            raise StudyError(f"--set {'.'.join(key)}: {part} holds {_kind(inner)}, so nothing can be set below it.")
        place = inner
    place[key[-1]] = value
    return tuple(key)


def _matching_models(tree: dict[str, Any], wanted: str) -> list[int]:
    models = tree.get("models")
    entries = models if isinstance(models, list) else []
    told = [[e.get("name"), e.get("label")] if isinstance(e, dict) else [e] for e in entries]
    names = [[str(name) for name in known if name] for known in told]
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


def _point_at_data(tree: dict[str, Any], path: Path) -> None:
    if not os.path.exists(absolute(path, Path.cwd())):  # noqa: PTH110 - as above
        raise DataError(f"--data {str(path)!r}: there is no such file or folder. Check the path.")
    dataset = tree.get("dataset") or {}
    if not isinstance(dataset, dict):
        raise StudyError(f"dataset: this is a mapping (source, path, image_size ...), not {_kind(dataset)}.")
    dataset = {**dataset, "path": str(absolute(path, Path.cwd()))}
    if dataset.get("source") in ("synthetic", None):
        for key in ("source", "count", "difficulty", "classes"):
            dataset.pop(key, None)
    elif dataset["source"] in ("folder", "zip"):
        dataset.pop("source")
    tree["dataset"] = dataset


def _validate(tree: dict[str, Any], where: str, marks: Mapping[_Location, int], given: set[_Location]) -> Study:
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(detail, where, marks, given) for detail in _causes(error.errors())]
        more = f"\n(and {len(lines) - 10} more)" if len(lines) > 10 else ""
        raise StudyError("\n".join(dict.fromkeys(lines[:10])) + more) from error


def _causes(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without the lists that are too short only because what stands in them is wrong, which is told already."""
    inner = {detail["loc"][:-1] for detail in details}
    return [detail for detail in details if not (detail["type"] == "too_short" and detail["loc"] in inner)]


def _explain(
    detail: ErrorDetails,
    where: str,
    marks: Mapping[_Location, int],
    given: set[_Location] = frozenset(),  # type: ignore[assignment]
) -> str:
    location = tuple(part for part in detail["loc"] if not str(part).startswith(("function-", "constrained-")))
    key = ".".join(str(part) for part in location) or "the study"
    option = "--device" if location[:1] == ("devices",) and len(location) > 1 else "--set"
    source = option if location in given else _place(location, where, marks)
    prefix = f"{source}: {key}: "
    if detail["type"] == "extra_forbidden":
        allowed = _fields_at(location[:-1])
        return f"{prefix}there is no such key.{nearest(str(location[-1]), allowed)} Allowed: {', '.join(allowed)}."
    if detail["type"] == "missing":
        return f"{prefix}this key is needed and is not there."
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "literal_error":
        expected = _literals_at(location)
        message = f"allowed are {', '.join(expected)}.{nearest(str(detail['input']), expected)}"
    elif detail["type"] == "tuple_type":
        message = "this is a list: [a, b]"
    elif detail["type"] in ("model_type", "dict_type"):
        message = f"this is a mapping with the keys {', '.join(_fields_at(location)) or 'of your choice'}"
    elif detail["type"] == "too_short":
        message = "the list is empty; name one at least"
    shown = repr(detail["input"])
    got = f" (it says {shown[:80]})" if detail["type"] != "value_error" and detail["input"] is not None else ""
    return f"{prefix}{message}{got}"


def _place(location: _Location, where: str, marks: Mapping[_Location, int]) -> str:
    for end in range(len(location), 0, -1):
        if location[:end] in marks:
            return f"{where}, line {marks[location[:end]]}"
    return where


def _annotation_at(location: _Location) -> Any:
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


def _fields_at(location: _Location) -> list[str]:
    found = _annotation_at(location)
    return list(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else []


def _literals_at(location: _Location) -> list[str]:
    found = _annotation_at(location)
    return [str(value) for value in get_args(found)] if get_origin(found) is Literal else []


def _with_absolute_paths(study: Study, base: Path, given: set[_Location]) -> Study:
    """Paths in a file are meant from that file; those given on the command line, from where it was typed."""
    dataset, here = study.dataset, Path.cwd()
    if dataset.path is not None:
        path = absolute(dataset.path, here if ("dataset", "path") in given else base)
        dataset = dataset.model_copy(update={"path": path})
    split = study.split
    if split.file is not None:
        path = absolute(split.file, here if ("split", "file") in given else base)
        split = split.model_copy(update={"file": path})
    start = here if ("models",) in given else base
    entries = tuple(_with_absolute_weights(entry, start) for entry in study.models)
    return study.model_copy(update={"dataset": dataset, "split": split, "models": entries})


def _with_absolute_weights(entry: ModelEntry, base: Path) -> ModelEntry:
    if entry.weights is None or not is_file(entry.weights):
        return entry
    return entry.model_copy(update={"weights": str(absolute(Path(entry.weights), base))})


def _check_models(study: Study, where: str, marks: Mapping[_Location, int]) -> Study:
    problems = []
    for index, entry in enumerate(study.models):
        place = f"{_place(('models', index), where, marks)}: models.{index}"
        try:
            models_zoo.check(entry.name, study.size_of(entry))
        except models_zoo.ModelZooError as error:
            problems.append(f"{place}: {error}")
        if entry.weights is not None and is_file(entry.weights) and not Path(entry.weights).is_file():
            problems.append(
                f"{place}: weights: there is no file {entry.weights}. Allowed: none, default, hub:NAME or the path "
                f"of a safetensors or pth file."
            )
    if problems:
        raise StudyError("\n".join(problems))
    return study
