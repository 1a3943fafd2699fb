"""YAML with the line of every key, duplicate keys refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from bench.errors import StudyError

__all__ = ["Location", "StrictLoader", "kind_of", "parse"]


class StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a duplicate key is an error, and aliases (which can explode) are refused."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases (*name) are not used here", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                message = f"duplicate key {key.value!r}"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def parse(text: str, where: str) -> tuple[dict[str, Any], dict[Location, int]]:
    """Return the file's mapping, and the line (from 1) of every key and list item."""
    try:
        loader = StrictLoader(text)
        node = loader.get_single_node()
        tree = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StudyError(f"{where}{line}: invalid YAML: {problem}.") from error
    if node is None or not isinstance(tree, dict):
        raise StudyError(f"{where}: a study is a mapping with name: and models:, not {kind_of(tree)}.")
    return tree, dict(_lines(node, ()))


def kind_of(value: object) -> str:
    names = {type(None): "an empty file", str: "a string", list: "a list"}
    return names.get(type(value), "a " + type(value).__name__)


def _lines(node: yaml.Node, location: Location) -> Iterator[tuple[Location, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*location, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*location, index), value.start_mark.line + 1
            yield from _lines(value, (*location, index))


Location = tuple[int | str, ...]
