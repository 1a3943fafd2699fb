"""What a reader must know before trusting the figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from reports.gather import Gathered
from reports.language import Translate

__all__ = ["Alert", "alerts"]

FEW_IMAGES = 30
"""Below this many test images of a class its recall is a rough figure."""


@dataclass(frozen=True)
class Alert:
    """One thing to know. ``level``: warning (it may change what the figures mean) or note."""

    level: str
    title: str
    detail: str


def alerts(gathered: Gathered, _: Translate) -> list[Alert]:
    """Return the alerts, warnings first."""
    found = [
        *_of_data(gathered, _),
        *_of_cells(gathered, _),
        *_of_machine(gathered, _),
    ]
    return sorted(found, key=lambda alert: alert.level != "warning")


def _of_data(gathered: Gathered, _: Translate) -> list[Alert]:
    found = []
    if gathered.is_synthetic:
        text = _("The images were drawn by a program. The scores say nothing about real images.")
        found.append(Alert("warning", _("Synthetic data"), text))
    for warning in gathered.dataset.get("warnings") or []:
        found.append(Alert("warning", _("Data"), str(warning)))
    leaks = gathered.dataset.get("leaks") or []
    if leaks:
        text = _("{n} pairs of images that look alike lie on different sides of the split, so the scores may flatter.")
        found.append(Alert("warning", _("Leak between training and test"), text.format(n=len(leaks))))
    small = [name for name, count in _test_counts(gathered).items() if count < FEW_IMAGES]
    if small:
        text = _("Fewer than {n} test images: {names}. The figures of these classes are rough.")
        shown = ", ".join(small[:8]) + (" …" if len(small) > 8 else "")
        found.append(Alert("note", _("Small classes"), text.format(n=FEW_IMAGES, names=shown)))
    return found


def _test_counts(gathered: Gathered) -> dict[str, int]:
    for entry in gathered.ok:
        if entry.result and entry.result.confusion:
            return {name: sum(row) for name, row in zip(gathered.classes, entry.result.confusion, strict=False)}
    return {}


def _of_cells(gathered: Gathered, _: Translate) -> list[Alert]:
    found = []
    by_status = Counter(entry.status for entry in gathered.not_ok)
    missing = by_status.pop("not_run", 0)
    if missing:
        text = _("{n} of {all} planned cells have no result yet; run the same command again to continue.")
        found.append(Alert("warning", _("Cells not run"), text.format(n=missing, all=len(gathered.entries))))
    if by_status:
        parts = ", ".join(f"{count} × {_(status.replace('_', ' '))}" for status, count in sorted(by_status.items()))
        text = _("Without scores: {parts}. They stand in the leaderboard with the reason.")
        found.append(Alert("warning", _("Cells without scores"), text.format(parts=parts)))
    random = list(dict.fromkeys(entry.label for entry in gathered.ok if entry.is_blind))
    if random:
        text = _(
            "{models}: the backbone was frozen with random weights, so the scores say nothing about what the model "
            "does after pre-training."
        )
        found.append(Alert("warning", _("Frozen without pre-training"), text.format(models=", ".join(random))))
    seeds = {entry.seed for entry in gathered.ok}
    if gathered.ok and len(seeds) == 1:
        text = _(
            "Every model was trained once. How much the scores would move with another seed is not known, "
            "and no interval here includes it."
        )
        found.append(Alert("warning", _("One seed only"), text))
    return found


def _is_busy(environment: dict[str, Any]) -> bool:
    """Whether the load when the run began was more than half of the cores."""
    load, cpu = environment.get("load_average_1min"), environment.get("cpu") or {}
    cores = cpu.get("usable") or cpu.get("threads") or cpu.get("cores")
    return isinstance(load, int | float) and isinstance(cores, int) and load > cores / 2


def _of_machine(gathered: Gathered, _: Translate) -> list[Alert]:
    found = []
    dirty = [
        name
        for name, environment in zip(gathered.run_names, gathered.environments, strict=True)
        if (environment.get("git") or {}).get("dirty")
    ]
    if dirty:
        text = _("The code had changes that no revision holds, so this revision alone does not repeat the run.")
        found.append(Alert("note", _("Uncommitted code"), text))
    busy = [
        name
        for name, environment in zip(gathered.run_names, gathered.environments, strict=True)
        if _is_busy(environment)
    ]
    if busy:
        text = _("Other programs were running when the run began, so times may be too long.")
        found.append(Alert("warning", _("Busy machine"), text))
    machines = {str((environment.get("cpu") or {}).get("model")) for environment in gathered.environments}
    if len(machines) > 1:
        text = _("The runs come from machines with different processors; times on the CPU do not compare across them.")
        found.append(Alert("warning", _("Mixed hardware"), text))
    measured = [entry.result for entry in gathered.ok if entry.result]
    if measured and all(result.energy.joules is None for result in measured):
        reasons = sorted({result.energy.not_measured for result in measured if result.energy.not_measured})
        text = _("No hardware counter was read, so there is no figure.") + (
            f" ({'; '.join(reasons)})" if reasons else ""
        )
        found.append(Alert("note", _("Energy not measured"), text))
    return found
