"""YAML with the place of every key; duplicate keys, aliases and numbers that are not what they look are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from bench.errors import StudyError

__all__ = ["Location", "Mark", "kind_of", "parse", "parse_value", "problem_of"]

Location = tuple[int | str, ...]

_LONGEST_NUMBER = 40
_TEXT = "tag:yaml.org,2002:str"
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)|[-+]?0[xXbB].*")


class Mark(NamedTuple):
    """Where a value stands, and how it was written."""

    line: int
    """From 1; 0 for what was not written in a file."""
    text: str = ""
    """A plain value as it stands there, before YAML took it for a number, a truth value or a date; empty for others."""


class StrictLoader(yaml.SafeLoader):
    """Safe YAML without surprises: no duplicate keys, no aliases (which can explode), no base 8 and base 60."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise _refusal("aliases (*name) are not used here", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refusal("a key is a text, not a list or a mapping", key)
            if key.tag != _TEXT:
                raise _refusal(f"YAML does not take the key {key.value[:80]} for a text: write it in quotes", key)
            if key.value in seen:
                raise _refusal(f"duplicate key {key.value[:80]!r}", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(node.value)
        if len(text) > _LONGEST_NUMBER:
            raise _refusal(f"a number of {len(text):,} digits", node)
        found = int(super().construct_yaml_int(node))
        if not _DECIMAL.fullmatch(text):
            base = "a number to base 60" if ":" in text else "a number to base 8"
            raise _refusal(f"{text} is {base}, {found}: write {found}, or '{text}' in quotes for a text", node)
        return found

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        text, found = str(node.value), float(super().construct_yaml_float(node))
        if ":" in text:
            raise _refusal(f"{text[:80]} is a number to base 60, {found}: write that, or put it in quotes", node)
        return found

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except (ValueError, OverflowError) as error:
            text = str(node.value)[:80]
            raise _refusal(f"{text} looks like a date and is none ({error}): write '{text}' in quotes", node) from error

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        found = super().construct_scalar(node)
        try:
            str(found).encode()
        except UnicodeEncodeError:
            raise _refusal("a text holds half of a surrogate pair, which no file can store", node) from None
        return found


StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", StrictLoader.construct_yaml_timestamp)
StrictLoader.add_constructor("tag:yaml.org,2002:int", StrictLoader.construct_yaml_int)
StrictLoader.add_constructor("tag:yaml.org,2002:float", StrictLoader.construct_yaml_float)


def _refusal(problem: str, at: yaml.Node | yaml.Event) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, at.start_mark)  # type: ignore[arg-type]


def parse(text: str, where: str) -> tuple[dict[str, Any], dict[Location, Mark]]:
    """Return the file's mapping, and the place of every key and list item. Raises `StudyError`."""
    try:
        tree, marks = parse_value(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise StudyError(f"{where}{line}: invalid YAML: {problem_of(error)}.") from error
    if not isinstance(tree, dict):
        raise StudyError(f"{where}: a study is a mapping with name: and models:, not {kind_of(tree)}.")
    return tree, marks


def parse_value(text: str) -> tuple[Any, dict[Location, Mark]]:
    """Return any value, and the places within it. Raises yaml.YAMLError, RecursionError or ValueError."""
    loader = StrictLoader(text)
    node = loader.get_single_node()
    if node is None:
        return None, {}
    return loader.construct_document(node), dict(_marks(node, ()))


def problem_of(error: BaseException) -> str:
    """What is wrong with the YAML, in one line."""
    if isinstance(error, RecursionError):
        return "lists or mappings lie in one another too deeply"
    return str(getattr(error, "problem", None) or str(error).splitlines()[0])[:300]


def kind_of(value: object) -> str:
    names = {type(None): "an empty file", str: "a string", list: "a list"}
    return names.get(type(value), "a " + type(value).__name__)


def _marks(node: yaml.Node, location: Location) -> Iterator[tuple[Location, Mark]]:
    yield location, Mark(node.start_mark.line + 1, str(node.value) if _is_plain(node) else "")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            for inner, mark in _marks(value, (*location, str(key.value))):
                yield inner, mark._replace(line=key.start_mark.line + 1) if len(inner) == len(location) + 1 else mark
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _marks(value, (*location, index))


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None
