"""What the run says on the claims of the study that patchbench grew out of (Borit Guitton et al. 2024).

A claim is supported or contradicted only where the run holds cells that differ in nothing but what the claim is about.
Times and memory were measured once a cell, so a difference below `reports.judging.NOISE` counts as none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.results import CellResult
from reports.claims_devices import device_cases
from reports.claims_vit import patch_ram, quantised
from reports.evidence import ALPHA, Evidence
from reports.gather import Entry, Gathered
from reports.judging import Finding, more, outcome
from reports.language import Translate
from reports.wording import amount, duration, memory

__all__ = ["Answer", "answers"]


@dataclass(frozen=True)
class Answer:
    """What the run says on one claim. ``outcome``: supported, contradicted or not enough evidence."""

    claim: str
    outcome: str
    figures: str


def answers(gathered: Gathered, evidence: Evidence, _: Translate) -> list[Answer]:
    """Answer every claim, with what it takes where the run holds nothing on it; empty where it holds nothing at all."""
    cases = (
        (_("A larger patch needs more RAM."), patch_ram(gathered, _), _("ViTs that differ in the patch alone")),
        (
            _("ViTs reach the accuracy of CNNs in less time."),
            _vit_time(gathered, evidence, _),
            _("a ViT and a CNN, neither frozen with random weights, tested on the same images and timed on one device"),
        ),
        (
            _("CNNs are compact and use less memory; ViTs are larger."),
            _cnn_compact(gathered, _),
            _("ViTs and CNNs whose parameters and memory were measured"),
        ),
        (
            _("ViTs are robust to occlusion, patch permutation, domain shift and natural corruption."),
            None,
            _("test images that were occluded, shuffled or corrupted; the test images here are as they were taken"),
        ),
        *device_cases(gathered, _),
        (
            _("Freezing the backbone speeds up training."),
            _frozen_faster(gathered, _),
            _("the same model with its backbone frozen and with all weights trained"),
        ),
        (
            _("Freezing the backbone guards against overfitting."),
            _frozen_overfits_less(gathered, _),
            _("the same model with its backbone frozen and with all weights trained, with scores by epoch"),
        ),
        (
            _("Low-bit quantised ViTs keep their accuracy."),
            quantised(gathered, _),
            _("a ViT tested in the int8 backend beside the eager one"),
        ),
    )
    if not any(finding for _claim, finding, _needs in cases):
        return []
    lacking = _("The run does not hold what it takes: {needs}.")
    return [
        Answer(claim, *finding) if finding else Answer(claim, "not enough evidence", lacking.format(needs=needs))
        for claim, finding, needs in cases
    ]


def _vit_time(gathered: Gathered, evidence: Evidence, _: Translate) -> Finding | None:
    """Claim 2, for each device: a ViT that the test does not place below the best CNN, and that trains faster."""
    order = [entry for key in evidence.groups.order if not (entry := evidence.by_key[key]).is_blind]
    cnn = next((entry for entry in order if entry.group == "cnn"), None)
    vits = [entry for entry in order if entry.group == "vit"]
    if cnn is None or not vits:
        return None
    level = [vit for vit in vits if not _is_below(vit, cnn, evidence)]
    holds: list[bool | None] = []
    parts = []
    for device in dict.fromkeys(entry.device for entry in gathered.ok):
        reference = _train_seconds(gathered, cnn, device)
        timed = [(seconds, vit) for vit in level if (seconds := _train_seconds(gathered, vit, device)) is not None]
        if reference is None or (level and not timed):
            continue
        if not timed:
            holds.append(False)
            continue
        seconds, vit = min(timed, key=lambda item: item[0])
        holds.append(more(reference, seconds))
        text = _("{device}: {vit} {a}, {cnn} {b}")
        values = {"a": duration(seconds).text, "b": duration(reference).text}
        parts.append(text.format(device=device, vit=vit.label, cnn=cnn.label, **values))
    if not holds:
        return None
    none = _("No ViT is level with the most accurate CNN, {cnn}.").format(cnn=cnn.label)
    text = _("Time to train of the fastest ViT that the test does not place below the most accurate CNN: {parts}.")
    figures = text.format(parts="; ".join(parts)) if parts else none
    return outcome(holds), figures


def _is_below(a: Entry, b: Entry, evidence: Evidence) -> bool:
    found = evidence.pair(a, b)
    return found is not None and found[0].separated(ALPHA) and found[0].difference.estimate * found[1] < 0


def _train_seconds(gathered: Gathered, entry: Entry, device: str) -> float | None:
    for other in gathered.leading:
        same = (other.label, other.regime, other.precision) == (entry.label, entry.regime, entry.precision)
        if same and other.device == device and other.result:
            return other.result.timings.train_seconds
    return None


def _cnn_compact(gathered: Gathered, _: Translate) -> Finding | None:
    """Claim 3, by the medians of this study's models: parameters, and peak RAM on the first device with both."""
    sizes = {kind: _per_model(gathered, kind, lambda r: r.model.parameters) for kind in ("vit", "cnn")}
    if not all(sizes.values()):
        return None
    vit, cnn = (median(sizes[kind].values()) for kind in ("vit", "cnn"))
    holds = [more(vit, cnn)]
    text = _("Median parameters: ViT {vit} ({n} models), CNN {cnn} ({m} models).")
    figures = text.format(vit=amount(vit).text, cnn=amount(cnn).text, n=len(sizes["vit"]), m=len(sizes["cnn"]))
    for device in dict.fromkeys(entry.device for entry in gathered.ok):
        ram = {kind: _per_model(gathered, kind, lambda r: r.memory.peak_ram_mib, device) for kind in ("vit", "cnn")}
        if all(ram.values()):
            vit, cnn = (median(ram[kind].values()) for kind in ("vit", "cnn"))
            holds.append(more(vit, cnn))
            text = _("Median peak RAM on {device}: ViT {vit}, CNN {cnn}.")
            figures += " " + text.format(device=device, vit=memory(vit).text, cnn=memory(cnn).text)
    return outcome(holds), figures


def _per_model(
    gathered: Gathered, kind: str, value: Callable[[CellResult], float | None], device: str | None = None
) -> dict[str, float]:
    found: dict[str, float] = {}
    for entry in gathered.leading:
        if entry.result and entry.group == kind and device in (None, entry.device):
            measured = value(entry.result)
            if measured is not None:
                found.setdefault(entry.label, measured)
    return found


def _regime_pairs(gathered: Gathered) -> list[tuple[CellResult, CellResult, Entry, Entry]]:
    """(frozen, finetune) of the same model, device, precision, seed and run."""
    by_key: dict[tuple[object, ...], dict[str, Entry]] = {}
    for entry in gathered.ok:
        key = (entry.label, entry.device, entry.precision, entry.seed, entry.run_name)
        by_key.setdefault(key, {})[entry.regime] = entry
    pairs = [(found["frozen"], found["finetune"]) for found in by_key.values() if {"frozen", "finetune"} <= set(found)]
    return [(a.result, b.result, a, b) for a, b in pairs if a.result and b.result]


def _frozen_faster(gathered: Gathered, _: Translate) -> Finding | None:
    """Claim 6, first half."""
    ratios = [
        tuned.timings.train_seconds / frozen.timings.train_seconds
        for frozen, tuned, *_entries in _regime_pairs(gathered)
        if frozen.timings.train_seconds and tuned.timings.train_seconds
    ]
    if not ratios:
        return None
    text = _("{n} pairs of cells: training all weights took {low} to {high} times as long as the head alone.")
    figures = text.format(n=len(ratios), low=f"{min(ratios):.3g}", high=f"{max(ratios):.3g}")
    return outcome(more(ratio, 1.0) for ratio in ratios), figures


def _frozen_overfits_less(gathered: Gathered, _: Translate) -> Finding | None:
    """Claim 6, second half, by the gap between training and validation accuracy at the tested epoch."""
    gaps = [(_gap(frozen), _gap(tuned)) for *_results, frozen, tuned in _regime_pairs(gathered)]
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
        if line.get("epoch") == best:
            trained, validated = ((line.get(part) or {}).get("accuracy") for part in ("train", "validation"))
            if isinstance(trained, int | float) and isinstance(validated, int | float):
                return float(trained - validated)
    return None
