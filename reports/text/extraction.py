"""How Babel finds the texts in Python files: by their syntax tree, for its own way misses those inside f-strings."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any

__all__ = ["python"]

_TITLED = {"Metric": ("title", "help")}
"""Texts of `bench`, which knows of no language and marks nothing; they are translated where a page shows them."""
Found = tuple[int, str, tuple[str | None, ...], list[str]]


def python(
    file: IO[bytes],
    keywords: Collection[str],
    _comment_tags: Collection[str],
    options: Mapping[str, Any],  # noqa: ARG001 (Babel gives it by this name)
) -> Iterator[Found]:
    """Yield line, function, texts and comments (none) of every call of a keyword; see Babel's extraction methods."""
    for node in ast.walk(ast.parse(file.read())):
        if not isinstance(node, ast.Call):
            continue
        name = _name(node.func)
        if name in keywords:
            yield node.lineno, name, tuple(_text(argument) for argument in node.args), []
        for argument in node.keywords:
            if argument.arg in _TITLED.get(name, ()):
                yield node.lineno, "N_", (_text(argument.value),), []


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _text(argument: ast.expr) -> str | None:
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None
