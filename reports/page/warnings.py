"""What a reader must know before trusting the figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from bench.results.environment import Environment, SystemLoad
from bench.results.schema import CellResult
from reports.inputs.report_data import ReportData
from reports.text.i18n import Translator
from reports.text.messages import word

__all__ = ["Alert", "alerts"]

OTHERS = 0.25
"""Other programs that took more than this many cores while a cell ran may have slowed it down."""

FEW_IMAGES = 30
"""Below this many test images of a class its recall is a rough figure."""


_CHANGES_FIGURES = {"cell_stopped", "watch_gap", "threads_changed", "memory_unread"}
"""Notices after which a cell's times or memory do not mean what they say."""

_NAMED = 6
"""Cells that an alert names."""


@dataclass(frozen=True)
class Alert:
    """One thing to know. ``level``: warning (it may change what the figures mean) or note."""

    level: str
    title: str
    detail: str


def alerts(data: ReportData, _: Translator) -> list[Alert]:
    """Return the alerts, warnings first."""
    found = [
        *_of_data(data, _),
        *_of_cells(data, _),
        *_of_notices(data, _),
        *_of_machine(data, _),
    ]
    return sorted(found, key=lambda alert: alert.level != "warning")


def _of_data(data: ReportData, _: Translator) -> list[Alert]:
    found = []
    if data.is_synthetic:
        text = _("The images were made by a program. The scores say nothing about real images.")
        found.append(Alert("warning", _("Synthetic data"), text))
    found += [Alert("warning", _("Data"), word(warning, _)) for warning in data.dataset.warnings]
    leaks = data.dataset.leak_pairs or len(data.dataset.leaks)  # older runs list all of them
    if leaks:
        text = _.ngettext(
            "{n} pair of images that look alike lies in different splits, so the scores may be optimistic.",
            "{n} pairs of images that look alike lie in different splits, so the scores may be optimistic.",
            leaks,
        )
        found.append(Alert("warning", _("Leak between training and test"), text.format(n=leaks)))
    small = [name for name, count in _test_counts(data).items() if count < FEW_IMAGES]
    if small:
        text = _("Fewer than {n} test images: {names}. The figures of these classes are rough.")
        shown = ", ".join(small[:8]) + (" …" if len(small) > 8 else "")
        found.append(Alert("note", _("Small classes"), text.format(n=FEW_IMAGES, names=shown)))
    return found


def _test_counts(data: ReportData) -> dict[str, int]:
    for entry in data.ok:
        if entry.result and entry.result.confusion:
            return {name: sum(row) for name, row in zip(data.classes, entry.result.confusion, strict=False)}
    return {}


def _of_cells(data: ReportData, _: Translator) -> list[Alert]:
    found = []
    by_status = Counter(entry.status for entry in data.not_ok)
    missing = by_status.pop("not_run", 0)
    if missing:
        text = _("{n} of {all} planned cells have no result yet; run the same command again to continue.")
        found.append(Alert("warning", _("Cells not run"), text.format(n=missing, all=len(data.entries))))
    if by_status:
        parts = ", ".join(f"{count} × {_(status.replace('_', ' '))}" for status, count in sorted(by_status.items()))
        text = _("Without scores: {parts}. The leaderboard gives the reasons.")
        found.append(Alert("warning", _("Cells without scores"), text.format(parts=parts)))
    random = list(dict.fromkeys(entry.label for entry in data.ok if entry.has_random_frozen_backbone))
    if random:
        text = _(
            "{models}: the backbone was frozen with random weights, so the scores say nothing about what the model "
            "does after pre-training."
        )
        found.append(Alert("warning", _("Frozen without pre-training"), text.format(models=", ".join(random))))
    unproven = [entry for entry in data.ok if entry.accuracy is not None and entry.predictions is None]
    if unproven:
        text = _.ngettext(
            "{n} of {all} cells with scores has no stored predictions, so its scores could not be computed anew.",
            "{n} of {all} cells with scores have no stored predictions, so their scores could not be computed anew.",
            len(unproven),
        )
        detail = text.format(n=len(unproven), all=len(data.ok))
        found.append(Alert("warning", _("Scores that cannot be checked"), detail))
    seeds = {entry.seed for entry in data.ok}
    if data.ok and len(seeds) == 1:
        text = _(
            "Every model was trained once. How much the scores would move with another seed is not known, "
            "and no interval here includes it."
        )
        found.append(Alert("warning", _("One seed only"), text))
    return found


def _of_notices(data: ReportData, _: Translator) -> list[Alert]:
    """Notices of cells: each once, with the cells that have it."""
    titles: dict[str, dict[str, None]] = {}
    levels: dict[str, str] = {}
    for entry in data.entries:
        for notice in entry.result.context.notices if entry.result else ():
            text = word(notice, _)
            titles.setdefault(text, {})[data.title(entry)] = None
            levels[text] = "warning" if notice.code in _CHANGES_FIGURES else "note"
    found = []
    for text, cells in titles.items():
        names = list(cells)
        shown = ", ".join(names[:_NAMED]) + (f" (+{len(names) - _NAMED})" if len(names) > _NAMED else "")
        found.append(Alert(levels[text], _("Cells"), f"{shown}: {text}"))
    return found


def _is_busy(environment: Environment) -> bool:
    """Whether the load when the run began was more than half of the cores."""
    load, cpu = environment.load_average_1min, environment.cpu
    cores = cpu.usable or cpu.threads or cpu.cores
    return load is not None and cores is not None and load > cores / 2


def _of_machine(data: ReportData, _: Translator) -> list[Alert]:
    found = []
    if any(environment.git and environment.git.dirty for environment in data.environments):
        text = _("The code had uncommitted changes, so this revision alone does not reproduce the run.")
        found.append(Alert("note", _("Uncommitted code"), text))
    found += _of_load(data, _)
    found += _of_methods(data, _)
    found += _of_hardware(data, _)
    measured = [entry.result for entry in data.ok if entry.result]
    without = [result for result in measured if result.energy.joules is None]
    if without:
        reasons = sorted({word(result.energy.not_measured, _) for result in without if result.energy.not_measured})
        text = _("No hardware counter was read for {n} of {all} cells with scores, so there is no figure.")
        text = text.format(n=len(without), all=len(measured)) + (f" ({'; '.join(reasons)})" if reasons else "")
        found.append(Alert("note", _("Energy not measured"), text))
    return found


def _of_methods(data: ReportData, _: Translator) -> list[Alert]:
    """Whether rows were measured differently, so that their figures cannot be set side by side."""
    measured = [entry.result for entry in data.ok if entry.result]
    found = []
    counts = sorted({r.context.threads for r in measured if r.cell.device == "cpu" and r.context.threads})
    if len(counts) > 1:
        text = _("Cells on the CPU ran with {counts} threads: their times cannot be compared.")
        found.append(
            Alert("warning", _("Different numbers of threads"), text.format(counts=", ".join(map(str, counts))))
        )
    methods = {r.memory.method.code: r.memory.method for r in measured if r.memory.peak_ram_mib and r.memory.method}
    if len(methods) > 1:
        text = _("Peak RAM was measured in different ways, so it cannot be compared: {methods}.")
        named = "; ".join(word(methods[code], _) for code in sorted(methods))
        found.append(Alert("warning", _("Different measurements of memory"), text.format(methods=named)))
    return found


def _of_load(data: ReportData, _: Translator) -> list[Alert]:
    """Whether others took the machine's time, when the run began or while a cell ran."""
    parts = []
    if any(_is_busy(environment) for environment in data.environments):
        parts.append(_("Other programs were running when the run began, so times may be too long."))
    others = [_load(entry.result).other_cores or 0.0 for entry in data.ok if entry.result]
    loads = [cores for cores in others if cores > OTHERS]
    if loads:
        text = _(
            "While {n} of {all} cells ran, other programs took up to {cores} cores, so these times may be too long."
        )
        parts.append(text.format(n=len(loads), all=len(data.ok), cores=f"{max(loads):.1f}"))
    slowed = sum(bool(load.thermal_throttles) for entry in data.ok if entry.result and (load := _load(entry.result)))
    if slowed:
        text = _.ngettext(
            "The CPU was slowed down by heat during {n} cell.",
            "The CPU was slowed down by heat during {n} cells.",
            slowed,
        )
        parts.append(text.format(n=slowed))
    return [Alert("warning", _("Busy machine"), " ".join(parts))] if parts else []


def _load(result: CellResult) -> SystemLoad:
    return result.context.system_load or SystemLoad()


def _of_hardware(data: ReportData, _: Translator) -> list[Alert]:
    """Whether figures of one device come from different hardware."""
    found = []
    if len({environment.cpu.model for environment in data.environments}) > 1:
        text = _("The runs come from machines with different CPUs; times on the CPU do not compare across them.")
        found.append(text)
    for device in dict.fromkeys(entry.device for entry in data.ok if entry.device != "cpu"):
        results = [entry.result for entry in data.ok if entry.device == device and entry.result]
        names = sorted({name for result in results if (name := result.context.device_name)})
        if len(names) > 1:
            text = _("Cells on {device} ran on {names}; their times do not compare.")
            found.append(text.format(device=device, names=", ".join(names)))
    return [Alert("warning", _("Mixed hardware"), " ".join(found))] if found else []
