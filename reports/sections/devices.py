"""The same model on the CPU and on another device."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bench.stats.timings import Speedup, speedup
from reports.inputs.columns import columns, leader_row
from reports.inputs.entry import NOT_RUN, Entry
from reports.inputs.report_data import ReportData
from reports.sections.base import Page, Section
from reports.text.formatting import Value
from reports.text.i18n import N_, Translator

__all__ = ["SECTION", "PairRow", "device_pairs"]


@dataclass(frozen=True)
class PairRow:
    """One model on the CPU and on another device, all else equal."""

    cpu: Entry
    other: Entry
    cells: tuple[tuple[Value, Value], ...]
    """(CPU, other) for accuracy, time to train, time to evaluate, peak RAM."""
    train_speedup: Value
    """How many times faster the other device trained."""
    evaluate_speedup: Value
    epoch_speedup: Speedup | None
    """The same from the raw samples of the epochs, with its interval; None where either has none."""

    def setting(self, data: ReportData, _: Translator) -> str:
        """The devices, and what else distinguishes this pair from the others."""
        varied = [key for key in ("regime", "precision", "seed") if data.same_everywhere(key) is None]
        named = [f"{_('seed')} {self.cpu.seed}" if key == "seed" else str(getattr(self.cpu, key)) for key in varied]
        return " · ".join([*named, f"cpu / {self.other.device}"])


def device_pairs(data: ReportData) -> list[PairRow]:
    """Pairs of cells that differ in nothing but the device, one of them on the CPU, with whatever status."""
    by_key: dict[tuple[Any, ...], dict[str, Entry]] = {}
    for entry in data.entries:
        key = (entry.label, entry.regime, entry.precision, entry.seed, _made_by(entry))
        by_key.setdefault(key, {}).setdefault(entry.device, entry)
    return [
        _pair(found["cpu"], other)
        for found in by_key.values()
        if "cpu" in found
        for device, other in found.items()
        if device != "cpu" and NOT_RUN not in (other.status, found["cpu"].status)
    ]


def _made_by(entry: Entry) -> str:
    """How the cell was built and trained: joined runs may give one label to cells that differ in it."""
    if entry.result is None:
        return ""
    cell = entry.result.cell.model_dump(mode="json", include={"model", "train", "weights_sha256"})
    cell["model"].pop("weights")
    return json.dumps(cell, sort_keys=True)


def _pair(cpu: Entry, other: Entry) -> PairRow:
    keys = ("accuracy", "train_seconds", "evaluate_seconds", "peak_ram_mib")
    index = {column.key: position for position, column in enumerate(columns())}
    left, right = leader_row(cpu).values, leader_row(other).values
    cells = tuple((left[index[key]], right[index[key]]) for key in keys)
    epochs = [entry.result.timings.epoch_seconds if entry.result else () for entry in (cpu, other)]
    by_epoch = speedup(epochs[0], epochs[1]) if all(epochs) else None
    return PairRow(cpu, other, cells, _times_faster(*cells[1]), _times_faster(*cells[2]), by_epoch)


def _times_faster(slow: Value, fast: Value) -> Value:
    if not slow.raw or not fast.raw:
        return Value("–", None, N_("not measured on both devices"))
    ratio = slow.raw / fast.raw
    return Value(f"{ratio:.3g} ×" if ratio < 1000 else f"{ratio:.0f} ×", ratio, f"{ratio:.6g}")


def build(page: Page) -> dict[str, Any] | None:
    data = page.data
    pairs = device_pairs(data)
    return {"pairs": [(pair, pair.setting(data, page.translate)) for pair in pairs]} if pairs else None


SECTION = Section(N_("CPU beside GPU"), build)
