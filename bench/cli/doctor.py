"""``patchbench doctor``."""

from __future__ import annotations

from typing import Any

__all__ = ["doctor"]


def doctor() -> None:
    """Tell what this machine is, and what would hinder good measuring on it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bench.measure.system.doctor import check_environment
    from bench.measure.system.environment import environment

    facts = environment(["patchbench", "doctor"])
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for key, value in _flat(facts).items():
        table.add_row(Text(key), Text("not known" if value is None else str(value)))
    console.print(table)
    for hindrance in check_environment(facts):
        console.print(Text(f"warning: {hindrance}", style="yellow"), soft_wrap=True)


def _flat(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        name = f"{prefix}{key}"
        flat.update(_flat(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return flat
