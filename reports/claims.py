"""What the run says on the claims of the study that patchbench grew out of (Borit Guitton et al. 2024).

A claim is answered only where the run holds cells that differ in nothing but what the claim is about. Times and
memory were measured once a cell, so a difference below `NOISE` counts as none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from bench.results import CellResult
from reports.evidence import ALPHA, Evidence
from reports.gather import Entry, Gathered
from reports.language import Translate
from reports.tables import device_pairs
from reports.wording import amount, duration, memory

__all__ = ["NOISE", "Answer", "answers"]

NOISE = 0.03
"""A relative difference of a time or a memory below this counts as none."""

_PATCH = re.compile(r"p\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What the run says on one claim. ``outcome``: supported, contradicted or not enough evidence."""

    claim: str
    outcome: str
    figures: str


def answers(gathered: Gathered, evidence: Evidence, _: Translate) -> list[Answer]:
    """Answer the claims on which the run holds something."""
    found = (
        _patch_ram(gathered, _),
        _vit_time(gathered, evidence, _),
        _cnn_compact(gathered, _),
        _gpu_faster(gathered, _),
        _frozen_faster(gathered, _),
        _frozen_overfits_less(gathered, _),
    )
    return [answer for answer in found if answer is not None]


def _outcome(holds: Iterable[bool | None]) -> str:
    """Supported where it holds in all cases, contradicted where in none; None: too close to call."""
    cases = list(holds)
    if cases and all(case is True for case in cases):
        return "supported"
    if cases and all(case is False for case in cases):
        return "contradicted"
    return "not enough evidence"


def _more(a: float, b: float) -> bool | None:
    """Whether ``a`` is more than ``b``; None within `NOISE`."""
    return None if abs(a - b) <= NOISE * max(abs(a), abs(b)) else a > b


def _patch_ram(gathered: Gathered, _: Translate) -> Answer | None:
    """Claim 1. A transformer's tokens fall with the square of the patch, so the opposite is expected."""
    groups: dict[tuple[object, ...], list[tuple[int, float]]] = {}
    for entry in gathered.ok:
        result = entry.result
        if result and entry.group == "vit" and result.model.patch and result.memory.peak_ram_mib is not None:
            stem = _PATCH.sub("p", entry.label)
            key = (stem, entry.regime, entry.device, entry.precision, entry.seed, entry.run_name)
            groups.setdefault(key, []).append((result.model.patch, result.memory.peak_ram_mib))
    cases = [
        (small, large) if small[0] < large[0] else (large, small)
        for members in groups.values()
        for small, large in combinations(members, 2)
        if small[0] != large[0]
    ]
    if not cases:
        return None
    more = [_more(large[1], small[1]) for small, large in cases]
    text = _(
        "{n} pairs of ViTs that differ in the patch alone: the larger patch took more RAM in {more}, less in {less}."
    )
    return Answer(
        _("A larger patch needs more RAM."),
        _outcome(more),
        text.format(n=len(cases), more=more.count(True), less=more.count(False)),
    )


def _vit_time(gathered: Gathered, evidence: Evidence, _: Translate) -> Answer | None:
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
        holds.append(_more(reference, seconds))
        text = _("{device}: {vit} {a}, {cnn} {b}")
        values = {"a": duration(seconds).text, "b": duration(reference).text}
        parts.append(text.format(device=device, vit=vit.label, cnn=cnn.label, **values))
    if not holds:
        return None
    none = _("No ViT is level with the most accurate CNN, {cnn}.").format(cnn=cnn.label)
    text = _("Time to train of the fastest ViT that the test does not place below the most accurate CNN: {parts}.")
    figures = text.format(parts="; ".join(parts)) if parts else none
    return Answer(_("ViTs reach the accuracy of CNNs in less time."), _outcome(holds), figures)


def _is_below(a: Entry, b: Entry, evidence: Evidence) -> bool:
    found = evidence.pair(a, b)
    return found is not None and found[0].separated(ALPHA) and found[0].difference.estimate * found[1] < 0


def _train_seconds(gathered: Gathered, entry: Entry, device: str) -> float | None:
    for other in gathered.leading:
        same = (other.label, other.regime, other.precision) == (entry.label, entry.regime, entry.precision)
        if same and other.device == device and other.result:
            return other.result.timings.train_seconds
    return None


def _cnn_compact(gathered: Gathered, _: Translate) -> Answer | None:
    """Claim 3, by the medians of this study's models: parameters, and peak RAM on the first device with both."""
    sizes = {kind: _per_model(gathered, kind, lambda r: r.model.parameters) for kind in ("vit", "cnn")}
    if not all(sizes.values()):
        return None
    vit, cnn = (median(sizes[kind].values()) for kind in ("vit", "cnn"))
    holds = [_more(vit, cnn)]
    text = _("Median parameters: ViT {vit} ({n} models), CNN {cnn} ({m} models).")
    figures = text.format(vit=amount(vit).text, cnn=amount(cnn).text, n=len(sizes["vit"]), m=len(sizes["cnn"]))
    for device in dict.fromkeys(entry.device for entry in gathered.ok):
        ram = {kind: _per_model(gathered, kind, lambda r: r.memory.peak_ram_mib, device) for kind in ("vit", "cnn")}
        if all(ram.values()):
            vit, cnn = (median(ram[kind].values()) for kind in ("vit", "cnn"))
            holds.append(_more(vit, cnn))
            text = _("Median peak RAM on {device}: ViT {vit}, CNN {cnn}.")
            figures += " " + text.format(device=device, vit=memory(vit).text, cnn=memory(cnn).text)
    text = _("CNNs are compact and use less memory; ViTs are larger.")
    return Answer(text, _outcome(holds), figures)


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


def _gpu_faster(gathered: Gathered, _: Translate) -> Answer | None:
    """Claim 5, in speed; energy and cost are compared where they were measured."""
    ratios = [pair.train_speedup.raw for pair in device_pairs(gathered) if pair.train_speedup.raw is not None]
    if not ratios:
        return None
    text = _("{n} pairs of cells: the other device trained {low} to {high} times as fast as the CPU.")
    figures = text.format(n=len(ratios), low=f"{min(ratios):.3g}", high=f"{max(ratios):.3g}")
    return Answer(_("A GPU trains faster than a CPU."), _outcome(_more(ratio, 1.0) for ratio in ratios), figures)


def _regime_pairs(gathered: Gathered) -> list[tuple[CellResult, CellResult, Entry, Entry]]:
    """(frozen, finetune) of the same model, device, precision, seed and run."""
    by_key: dict[tuple[object, ...], dict[str, Entry]] = {}
    for entry in gathered.ok:
        key = (entry.label, entry.device, entry.precision, entry.seed, entry.run_name)
        by_key.setdefault(key, {})[entry.regime] = entry
    pairs = [(found["frozen"], found["finetune"]) for found in by_key.values() if {"frozen", "finetune"} <= set(found)]
    return [(a.result, b.result, a, b) for a, b in pairs if a.result and b.result]


def _frozen_faster(gathered: Gathered, _: Translate) -> Answer | None:
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
    return Answer(_("Freezing the backbone speeds up training."), _outcome(_more(r, 1.0) for r in ratios), figures)


def _frozen_overfits_less(gathered: Gathered, _: Translate) -> Answer | None:
    """Claim 6, second half, by the gap between training and validation accuracy at the tested epoch."""
    gaps = [(_gap(frozen), _gap(tuned)) for *_results, frozen, tuned in _regime_pairs(gathered)]
    known = [(a, b) for a, b in gaps if a is not None and b is not None]
    if not known:
        return None
    holds = [None if abs(a - b) < 0.01 else a < b for a, b in known]
    text = _("Gap between training and validation accuracy, median over {n} pairs: frozen {a} points, all weights {b}.")
    a, b = (median(column) for column in zip(*known, strict=True))
    figures = text.format(n=len(known), a=f"{a * 100:.1f}", b=f"{b * 100:.1f}")
    return Answer(_("Freezing the backbone guards against overfitting."), _outcome(holds), figures)


def _gap(entry: Entry) -> float | None:
    best = entry.result.best_epoch if entry.result else None
    for line in entry.history:
        if line.get("epoch") == best:
            trained, validated = ((line.get(part) or {}).get("accuracy") for part in ("train", "validation"))
            if isinstance(trained, int | float) and isinstance(validated, int | float):
                return float(trained - validated)
    return None
