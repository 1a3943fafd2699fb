"""``patchbench doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.cli.output import line

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["doctor"]


def doctor() -> None:
    """Print what this machine is, and what would hinder good measuring on it."""
    from rich.console import Console
    from rich.table import Table

    from bench.measure.system.doctor import check_environment
    from bench.measure.system.environment import environment
    from reports.text.messages import word

    found = environment(["patchbench", "doctor"])
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _rows(found):
        table.add_row(line(name), line(value))
    console.print(table)
    warnings = check_environment(found)
    if found.energy is not None:
        warnings.append(f"energy will not be measured: {word(found.energy)}")
    for warning in warnings:
        console.print(line(f"warning: {warning}", "yellow"), soft_wrap=True)


def _rows(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every fact with the names of the fields that lead to it."""
    from pydantic import BaseModel

    from bench.results.notice import Notice

    for field in type(model).model_fields:
        value, name = getattr(model, field), f"{prefix}{field}"
        if isinstance(value, Notice) or field == "schema_version":
            continue  # a warning of its own, and nothing of the machine
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{name}.")
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", str(inner)) for key, inner in value.items())
        elif isinstance(value, tuple) and any(isinstance(part, BaseModel) for part in value):
            for number, part in enumerate(value):
                yield from _rows(part, f"{name}.{number}.")
        elif isinstance(value, tuple):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, "not known" if value is None else str(value)
