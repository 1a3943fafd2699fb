"""What the run says on the claims of the study that patchbench grew out of (Borit Guitton et al. 2024).

A claim is supported or contradicted only where the run holds cells that differ in nothing but what the claim is about.
Times and memory were measured once per cell, so a difference below `reports.sections.claims.rules.NOISE` is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.results.schema import CellResult
from bench.results.time_to_accuracy import validated
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.inputs.significance import ALPHA, Significance
from reports.sections.base import Page, Section
from reports.sections.claims.devices import device_cases
from reports.sections.claims.rules import Finding, more, outcome
from reports.sections.claims.vit import patch_ram, quantized
from reports.text.formatting import amount, duration, memory
from reports.text.i18n import N_, Translator

__all__ = ["SECTION", "ClaimResult", "answers"]


@dataclass(frozen=True)
class ClaimResult:
    """What the run says on one claim. ``outcome``: supported, contradicted or not enough evidence."""

    claim: str
    outcome: str
    figures: str


def answers(data: ReportData, significance: Significance, _: Translator) -> list[ClaimResult]:
    """Answer every claim, with what it takes where the run holds nothing on it; empty where it holds nothing at all."""
    cases = (
        (_("A larger patch needs more RAM."), patch_ram(data, _), _("ViTs that differ only in patch size")),
        (
            _("ViTs reach the accuracy of CNNs in less time."),
            _vit_time(data, significance, _),
            _("a ViT and a CNN, neither frozen with random weights, tested on the same images and timed on one device"),
        ),
        (
            _("CNNs are compact and use less memory; ViTs are larger."),
            _cnn_compact(data, _),
            _("ViTs and CNNs whose parameters and memory were measured"),
        ),
        (
            _("ViTs are robust to occlusion, patch permutation, domain shift and natural corruption."),
            None,
            _("test images that were occluded, shuffled or corrupted; the test images here are as they were taken"),
        ),
        *device_cases(data, _),
        (
            _("Freezing the backbone speeds up training."),
            _frozen_faster(data, _),
            _("the same model with its backbone frozen and with all weights trained"),
        ),
        (
            _("Freezing the backbone guards against overfitting."),
            _frozen_overfits_less(data, _),
            _("the same model with its backbone frozen and with all weights trained, with scores by epoch"),
        ),
        (
            _("Low-bit quantized ViTs keep their accuracy."),
            quantized(data, _),
            _("a ViT tested in the int8 backend beside the eager one"),
        ),
    )
    if not any(finding for _claim, finding, _needs in cases):
        return []
    lacking = _("The run lacks what this needs: {needs}.")
    return [
        ClaimResult(claim, *finding)
        if finding
        else ClaimResult(claim, "not enough evidence", lacking.format(needs=needs))
        for claim, finding, needs in cases
    ]


def _vit_time(data: ReportData, significance: Significance, _: Translator) -> Finding | None:
    """Claim 2, for each regime, precision and device: the fastest ViT and the fastest CNN that reach the best CNN."""
    order = [
        entry for key in significance.groups.order if not (entry := significance.by_key[key]).has_random_frozen_backbone
    ]
    holds: list[bool | None] = []
    parts, sentences = [], []
    for setting in dict.fromkeys((entry.regime, entry.precision) for entry in order):
        alike = [entry for entry in order if (entry.regime, entry.precision) == setting]
        best = next((entry for entry in alike if entry.group == "cnn"), None)
        if best is None or all(entry.group != "vit" for entry in alike):
            continue
        level = [entry for entry in alike if not _is_below(entry, best, significance)]
        if all(entry.group != "vit" for entry in level):
            holds.append(False)
            none = _("No ViT is level with the most accurate CNN, {cnn}.")
            sentences.append(none.format(cnn=data.title(best)))
            continue
        for device in dict.fromkeys(entry.device for entry in data.ok):
            vit, cnn = (_fastest(data, level, kind, device) for kind in ("vit", "cnn"))
            if vit and cnn:
                holds.append(more(cnn[0], vit[0]))
                times = [f"{data.title(entry)} {duration(seconds).text}" for seconds, entry in (vit, cnn)]
                parts.append(", ".join(times))
    if not holds:
        return None
    if parts:
        text = _("Time to train of the fastest ViT and of the fastest CNN that reach the most accurate CNN: {parts}.")
        sentences.insert(0, text.format(parts="; ".join(parts)))
    return outcome(holds), " ".join(sentences)


def _is_below(a: Entry, b: Entry, significance: Significance) -> bool:
    """Whether the test places ``a`` below ``b``."""
    found = significance.pair(a, b)
    return found is not None and found[0].separated(ALPHA) and found[0].difference.estimate * found[1] < 0


def _fastest(data: ReportData, level: list[Entry], kind: str, device: str) -> tuple[float, Entry] | None:
    """Seconds and cell of the quickest training on a device among the configurations of a kind in ``level``."""
    wanted = {(entry.label, entry.regime, entry.precision) for entry in level if entry.group == kind}
    timed = [
        (entry.result.timings.train_seconds, entry)
        for entry in data.leading
        if entry.result and entry.device == device and (entry.label, entry.regime, entry.precision) in wanted
    ]
    known = [(seconds, entry) for seconds, entry in timed if seconds is not None]
    return min(known, key=lambda item: item[0], default=None)


def _cnn_compact(data: ReportData, _: Translator) -> Finding | None:
    """Claim 3, by the medians of the models: parameters, and peak RAM where nothing but the model differs."""
    sizes = {kind: _per_model(data.leading, kind, lambda r: r.model.parameters) for kind in ("vit", "cnn")}
    if not all(sizes.values()):
        return None
    vit, cnn = (median(sizes[kind].values()) for kind in ("vit", "cnn"))
    holds = [more(vit, cnn)]
    text = _("Median parameters: ViT {vit} ({n} models), CNN {cnn} ({m} models).")
    figures = text.format(vit=amount(vit).text, cnn=amount(cnn).text, n=len(sizes["vit"]), m=len(sizes["cnn"]))
    alike: dict[tuple[str, ...], list[Entry]] = {}
    for entry in data.leading:
        alike.setdefault((entry.device, entry.regime, entry.precision, entry.run_name), []).append(entry)
    for entries in alike.values():
        ram = {kind: _per_model(entries, kind, lambda r: r.memory.peak_ram_mib) for kind in ("vit", "cnn")}
        if all(ram.values()):
            vit, cnn = (median(ram[kind].values()) for kind in ("vit", "cnn"))
            holds.append(more(vit, cnn))
            text = _("Median peak RAM on {device}: ViT {vit}, CNN {cnn}.")
            setting = _setting(data, entries[0])
            figures += " " + text.format(device=setting, vit=memory(vit).text, cnn=memory(cnn).text)
    return outcome(holds), figures


def _setting(data: ReportData, entry: Entry) -> str:
    """The device, and what else distinguishes cells that differ in the model alone from the others."""
    varied = [getattr(entry, key) for key in ("regime", "precision") if data.same_everywhere(key) is None]
    return " · ".join([entry.device, *varied, *([entry.run_name] if len(data.runs) > 1 else [])])


def _per_model(entries: list[Entry], kind: str, value: Callable[[CellResult], float | None]) -> dict[str, float]:
    """What was measured of each model of a kind, by its label."""
    found: dict[str, float] = {}
    for entry in entries:
        if entry.result and entry.group == kind and (measured := value(entry.result)) is not None:
            found.setdefault(entry.label, measured)
    return found


def _regime_pairs(data: ReportData) -> list[tuple[CellResult, CellResult, Entry, Entry]]:
    """(frozen, finetune) of the same model, device, precision, seed and run."""
    by_key: dict[tuple[object, ...], dict[str, Entry]] = {}
    for entry in data.ok:
        key = (entry.label, entry.device, entry.precision, entry.seed, entry.run_name)
        by_key.setdefault(key, {})[entry.regime] = entry
    pairs = [(found["frozen"], found["finetune"]) for found in by_key.values() if {"frozen", "finetune"} <= set(found)]
    return [(a.result, b.result, a, b) for a, b in pairs if a.result and b.result]


def _frozen_faster(data: ReportData, _: Translator) -> Finding | None:
    """Claim 6, first half."""
    ratios = [
        tuned.timings.train_seconds / frozen.timings.train_seconds
        for frozen, tuned, *_entries in _regime_pairs(data)
        if frozen.timings.train_seconds and tuned.timings.train_seconds
    ]
    if not ratios:
        return None
    text = _("{n} pairs of cells: training all weights took {low} to {high} times as long as the head alone.")
    figures = text.format(n=len(ratios), low=f"{min(ratios):.3g}", high=f"{max(ratios):.3g}")
    return outcome(more(ratio, 1.0) for ratio in ratios), figures


def _frozen_overfits_less(data: ReportData, _: Translator) -> Finding | None:
    """Claim 6, second half, by the gap between training and validation accuracy at the tested epoch."""
    gaps = [
        (_gap(frozen), _gap(tuned))
        for *_results, frozen, tuned in _regime_pairs(data)
        if not frozen.has_random_frozen_backbone  # at the level of chance there is no gap
    ]
    known = [(a, b) for a, b in gaps if a is not None and b is not None]
    if not known:
        return None
    holds = [None if abs(a - b) < 0.01 else a < b for a, b in known]
    text = _("Gap between training and validation accuracy, median over {n} pairs: frozen {a} points, all weights {b}.")
    a, b = (median(column) for column in zip(*known, strict=True))
    figures = text.format(n=len(known), a=f"{a * 100:.1f}", b=f"{b * 100:.1f}")
    return outcome(holds), figures


def _gap(entry: Entry) -> float | None:
    best = entry.result.best_epoch if entry.result else None
    for line in entry.history:
        trained, score = line.train.accuracy, validated(line)
        if line.epoch == best and trained is not None and score is not None:
            return trained - score
    return None


def build(page: Page) -> dict[str, Any] | None:
    found = answers(page.data, page.significance, page.translate)
    return {"answers": found} if found else None


SECTION = Section(N_("Claims put to the test"), build)
