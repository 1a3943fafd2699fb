"""``patchbench list``: what there is of each kind that can be extended."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.errors import StudyError, nearest
from bench.registry import REGISTRIES, registry
from bench.terminal import printable

__all__ = ["list_kind"]

_OTHERS = ("studies", "models")


def list_kind(kind: Annotated[str, typer.Argument(help=f"{', '.join((*REGISTRIES, *_OTHERS))}.")]) -> None:
    """List what there is of a kind, with what installed packages add: a name and a line about it."""
    if kind == "models":
        typer.echo("`patchbench models` lists them with their sizes.")
        return
    lines = _studies() if kind == "studies" else _registered(kind)
    width = max(map(len, lines), default=0)
    for name, line in lines.items():
        typer.echo(printable(f"{name:<{width}}  {line}".rstrip(), lines=False))


def _registered(kind: str) -> dict[str, str]:
    if kind not in REGISTRIES:
        known = (*REGISTRIES, *_OTHERS)
        raise StudyError(f"unknown kind {kind!r}; choose from {', '.join(known)}.{nearest(kind, known)}")
    found = registry(kind)
    lines = found.describe()
    if not lines:
        typer.echo(f"There are no {kind} yet. A package adds one by an entry point in the group {found.group!r}.")
    return lines


def _studies() -> dict[str, str]:
    """Each shipped study with the first sentence of its description."""
    from bench.study.load import load_study, shipped_studies

    return {name: " ".join(load_study(name).description.split()).partition(". ")[0] for name in shipped_studies()}
