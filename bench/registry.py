"""What can be added without touching what uses it: a name, and where it is defined.

A kind of thing that others may extend (a source of images, a metric, an executor, ...) is a folder with one registry::

    SOURCES: Registry[SourceKind] = Registry(
        "source", {"folder": "bench.data.sources.folder:SOURCE"}, group="patchbench.sources"
    )

Whoever needs one asks for it by name, and only its module is imported. An installed package adds its own by an entry
point ``name = "package.module:attribute"`` in the registry's group, as plug-in models do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bench.errors import DependencyError, StudyError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["REGISTRIES", "Registry", "registry"]

T = TypeVar("T")

REGISTRIES = {
    "sources": "bench.data.sources:SOURCES",
    "metrics": "bench.stats.metrics:METRICS",
    "executors": "bench.execution.executor:EXECUTORS",
    "sections": "reports.sections:SECTIONS",
    "exports": "reports.exports:EXPORTS",
    "corruptions": "bench.data.corruptions:CORRUPTIONS",
    "explanations": "bench.explanations:EXPLANATIONS",
}
"""Where the registry of each kind stands, for those who know a kind by its name alone: the command line, which lists
them, and the study, which lies below what it names."""

_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Registry(Generic[T]):
    """The things of one kind by name, each imported when it is first asked for."""

    def __init__(self, kind: str, entries: Mapping[str, str], *, group: str | None = None) -> None:
        """Register what is shipped; nothing is imported.

        Args:
            kind: what one of them is called in messages, in the singular.
            entries: from each name to ``"package.module:attribute"``, in the order in which they are listed.
            group: the entry-point group in which installed packages add more; None: they cannot.
        """
        self.kind = kind
        self.entries = dict(entries)
        self.group = group

    def names(self) -> tuple[str, ...]:
        """Return the shipped names in their order, then those of installed packages, sorted.

        Raises:
            DependencyError: an installed package takes a name that is taken, or names no attribute of a module.
        """
        return tuple(self)

    def __iter__(self) -> Iterator[str]:
        """Go through :meth:`names`; installed packages are looked for once the shipped names are through."""
        yield from self.entries
        yield from self._installed

    def check(self, name: str) -> str:
        """Return ``name``; nothing is imported. What is shipped does not depend on installed packages.

        Raises:
            StudyError: there is no such name; the message has the nearest one and all that there are.
            DependencyError: as :meth:`names`, for a name that is not shipped.
        """
        if name in self.entries:
            return name
        names = self.names()
        if name in names:
            return name
        choices = f"choose from {', '.join(names)}" if names else "there is none yet"
        raise StudyError(f"unknown {self.kind} {name!r}; {choices}.{nearest(name, names)}")

    def load(self, name: str) -> T:
        """Import what is called ``name`` and return it.

        Raises:
            StudyError: there is no such name.
            DependencyError: the installed package that adds it cannot be imported.
        """
        target = self.entries.get(self.check(name))
        if target is not None:
            module, _, attribute = target.partition(":")
            return cast("T", getattr(import_module(module), attribute))
        point = self._installed[name]
        try:
            return cast("T", point.load())
        except Exception as error:  # a package of others may fail in any way
            raise DependencyError(
                f"the {self.kind} {name!r} of {_origin(point)} cannot be imported ({point.value}): "
                f"{type(error).__name__}: {error}; repair or uninstall it"
            ) from error

    def load_all(self) -> dict[str, T]:
        """Import all of them, in the order of :meth:`names`; raises what :meth:`load` does."""
        return {name: self.load(name) for name in self.names()}

    def describe(self) -> dict[str, str]:
        """Return the first line of what is written about each, by name: its docstring, its ``help=`` or its module's.

        Source is read and its module is not imported, so that what needs torch can be listed without it.
        """
        found = {name: _first_line(target) for name, target in self.entries.items()}
        for name, point in self._installed.items():
            try:
                found[name] = f"{_first_line(point.value)} (of {_origin(point)})".lstrip()
            except Exception as error:  # noqa: BLE001 - finding a module runs the package it lies in
                found[name] = f"cannot be imported (of {_origin(point)}): {error or type(error).__name__}"
        return found

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        if self.group is None:
            return {}
        from importlib.metadata import entry_points  # takes longer than all the rest of this module

        found: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=self.group), key=lambda point: (point.name, _origin(point))):
            if not _TARGET.fullmatch(point.value):
                raise DependencyError(
                    f"the {self.kind} {point.name!r} of {_origin(point)} points at {point.value!r}: it must be "
                    f"name = 'package.module:attribute' in the entry-point group {self.group!r}"
                )
            if point.name in self.entries or point.name in found:
                owner = "patchbench" if point.name in self.entries else _origin(found[point.name])
                raise DependencyError(
                    f"two {self.kind} entries are called {point.name!r}: one of {owner} and one of {_origin(point)}; "
                    f"rename or uninstall the one that a package adds (entry-point group {self.group!r})"
                )
            found[point.name] = point
        return found


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _first_line(target: str) -> str:
    """Read the first docstring line of ``package.module:attribute``, or of its module, without importing it.

    Raises:
        ImportError: there is no such module.
    """
    module, _, attribute = target.partition(":")
    spec = find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(f"there is no module {module}")
    if spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    tree = ast.parse(Path(spec.origin).read_bytes())
    text = _docstring(tree, attribute) or ast.get_docstring(tree) or ""
    return text.partition("\n")[0]


def _docstring(tree: ast.Module, attribute: str) -> str | None:
    """The docstring of a class or function of the module, or the ``help=`` of what a name is assigned."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == attribute:
            return ast.get_docstring(node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if attribute in map(ast.unparse, targets):
                return _help(node.value)
    return None


def _help(call: ast.Call) -> str | None:
    given = (word.value for word in call.keywords if word.arg == "help")
    return next((str(text.value) for text in given if isinstance(text, ast.Constant)), None)


def registry(kind: str) -> Registry[Any]:
    """Import the registry of one of `REGISTRIES` and return it."""
    module, _, attribute = REGISTRIES[kind].partition(":")
    return cast("Registry[Any]", getattr(import_module(module), attribute))
