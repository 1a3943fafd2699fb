"""The machines and versions behind the figures."""

from __future__ import annotations

import shlex
from typing import Any

from reports.sections.base import Page, Section
from reports.text.i18n import N_, Translate

__all__ = ["SECTION", "command_line", "environment_rows"]


def build(page: Page) -> dict[str, Any]:
    data = page.data
    runs = [
        {"name": name, "command": command_line(environment), "rows": environment_rows(environment, page.translate)}
        for name, environment in zip(data.run_names, data.environments, strict=True)
    ]
    return {"runs": runs, "settings": data.study.get("train") or {}}


def command_line(environment: dict[str, Any]) -> str:
    """The command that made the run, quoted for a shell; empty where it is not known."""
    command = environment.get("command")
    if isinstance(command, list):
        return shlex.join(map(str, command))
    return str(command or "")


def environment_rows(environment: dict[str, Any], _: Translate) -> list[tuple[str, str]]:
    """Machine and versions as pairs of a name and a text; what is not stored is left out."""
    cpu = environment.get("cpu") or {}
    git = environment.get("git") or {}
    packages = environment.get("packages") or {}
    leading = [name for name in _MOST_PACKAGES if name in packages]
    ordered = leading + sorted(set(packages) - set(leading))
    memory = environment.get("memory_gib")
    revision = str(git.get("revision") or "") + (f" + {_('uncommitted changes')}" if git.get("dirty") else "")
    rows = [
        (N_("Started"), environment.get("started")),
        (N_("CPU"), _processor(cpu, _)),
        (N_("Memory"), f"{memory:.3g} GiB" if isinstance(memory, int | float) else None),
        (N_("Devices"), _flat(environment.get("devices"))),
        (N_("GPUs"), _flat(environment.get("gpus")) or (_("none") if environment.get("gpus") == [] else None)),
        (N_("Load when it began"), environment.get("load_average_1min")),
        (N_("Threads"), _flat(environment.get("threads"))),
        (N_("Determinism"), _flat(environment.get("determinism"))),
        (N_("System"), environment.get("platform")),
        (N_("Python"), environment.get("python")),
        ("patchbench", environment.get("patchbench")),
        (N_("Revision"), revision),
        (N_("Packages"), ", ".join(f"{name} {packages[name]}" for name in ordered)),
    ]
    return [(name, str(text)) for name, text in rows if text]


def _processor(cpu: Any, _: Translate) -> str:
    if not isinstance(cpu, dict):
        return str(cpu or "")
    model = str(cpu.get("model") or "")
    counts = [f"{cpu[key]} {_(key)}" for key in ("cores", "threads") if cpu.get(key)]
    return ", ".join(part for part in [model, *counts] if part)


def _flat(value: Any) -> str:
    """A nested value as one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_flat(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_flat(item) for item in value)
    return "" if value is None else str(value)


_MOST_PACKAGES = ("torch", "torchvision", "timm", "numpy", "scikit-learn", "pandas")


SECTION = Section(N_("Environment and how to repeat it"), build)
