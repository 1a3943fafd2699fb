"""Claim 5 of the study that patchbench grew out of: CPU against GPU in speed, in energy, and in cost for a result."""

from __future__ import annotations

from collections.abc import Callable

from bench.results.schema import CellResult
from reports.inputs.report_data import ReportData
from reports.sections.claims.rules import Finding, more, outcome
from reports.sections.devices import device_pairs
from reports.text.i18n import Translator

__all__ = ["device_cases"]


def device_cases(data: ReportData, _: Translator) -> tuple[tuple[str, Finding | None, str], ...]:
    """The claim in three parts, each with what the run says on it (None: nothing) and what it takes to say more."""
    return (
        (
            _("A GPU trains faster than a CPU."),
            _faster(data, _),
            _("the same cell on a CPU and on another device"),
        ),
        (
            _("A result on a GPU takes less energy than on a CPU."),
            _less(
                data,
                _whole_energy,
                _("{n} pairs of cells: the CPU took {low} to {high} times the energy of the other device."),
            ),
            _("the same cell on a CPU and on another device, with energy counters on both"),
        ),
        (
            _("A result on a GPU costs less than on a CPU."),
            _less(
                data,
                lambda result: result.cost_usd,
                _("{n} pairs of cells: a result on the CPU cost {low} to {high} times that on the other device."),
            ),
            _("the same cell on a CPU and on another device, with a price for both in the study"),
        ),
    )


def _whole_energy(result: CellResult) -> float | None:
    """Joules of the CPU and of the device that was used; None where either has no counter."""
    return None if result.energy.not_measured else result.energy.joules


def _faster(data: ReportData, _: Translator) -> Finding | None:
    ratios = [pair.train_speedup.raw for pair in device_pairs(data) if pair.train_speedup.raw is not None]
    return _finding(ratios, _("{n} pairs of cells: the other device trained {low} to {high} times as fast as the CPU."))


def _less(data: ReportData, value: Callable[[CellResult], float | None], text: str) -> Finding | None:
    ratios = []
    for pair in device_pairs(data):
        if pair.cpu.is_ok and pair.other.is_ok and pair.cpu.result and pair.other.result:
            cpu, other = value(pair.cpu.result), value(pair.other.result)
            if cpu and other:
                ratios.append(cpu / other)
    return _finding(ratios, text)


def _finding(ratios: list[float], text: str) -> Finding | None:
    if not ratios:
        return None
    figures = text.format(n=len(ratios), low=f"{min(ratios):.3g}", high=f"{max(ratios):.3g}")
    return outcome(more(ratio, 1.0) for ratio in ratios), figures
