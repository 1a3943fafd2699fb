"""Claims 1 and 7 of the study that patchbench grew out of, which are of Vision Transformers alone."""

from __future__ import annotations

import re
from itertools import combinations

from bench.results import CellResult
from bench.uncertainty import mcnemar_exact
from reports.evidence import ALPHA
from reports.gather import Gathered
from reports.judging import Finding, more, outcome
from reports.language import Translate
from reports.wording import points

__all__ = ["KEPT", "patch_ram", "quantised"]

KEPT = 0.01
"""A quantised model that loses at most this share of the test images has kept its accuracy."""

_PATCH = re.compile(r"p(?:atch)?_?\d+", re.IGNORECASE)


def patch_ram(gathered: Gathered, _: Translate) -> Finding | None:
    """Claim 1. A transformer's tokens fall with the square of the patch, so the opposite is expected."""
    groups: dict[tuple[object, ...], list[tuple[int, float]]] = {}
    for entry in gathered.ok:
        result = entry.result
        if result and entry.group == "vit" and result.model.patch and result.memory.peak_ram_mib is not None:
            stem = _PATCH.sub("p", _architecture(result))
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
    holds = [more(large[1], small[1]) for small, large in cases]
    text = _(
        "{n} pairs of ViTs that differ in the patch alone: the larger patch took more RAM in {more}, less in {less}."
    )
    return outcome(holds), text.format(n=len(cases), more=holds.count(True), less=holds.count(False))


def _architecture(result: CellResult) -> str:
    """The model's own name: a label need not tell the patch."""
    model = result.cell.get("model")
    name = model.get("name") if isinstance(model, dict) else None
    return str(name or result.label)


def quantised(gathered: Gathered, _: Translate) -> Finding | None:
    """Claim 7, from the int8 backend beside the eager one on the same test images."""
    pairs = [
        found
        for entry in gathered.leading
        if entry.result and entry.group == "vit" and (found := _int8(entry.result)) is not None
    ]
    if not pairs:
        return None
    changes, same = [low - full for full, low, _n, _same in pairs], [same for *_scores, same in pairs]
    text = _(
        "{n} ViTs in 8 bits: accuracy changed by {low} to {high} points, and {same} % of the images or more kept their "
        "class. Fewer bits were not tried."
    )
    figures = text.format(
        n=len(pairs), low=points(min(changes)), high=points(max(changes)), same=f"{min(same) * 100:.1f}"
    )
    return outcome(_is_kept(*pair) for pair in pairs), figures


def _int8(result: CellResult) -> tuple[float, float, int, float] | None:
    """Accuracy of the eager model, that in int8, test images, and the share of them that kept their class."""
    full = result.metrics.get("accuracy")
    profile = next((profile for profile in result.profiles if profile.backend == "int8"), None)
    images = sum(map(sum, result.confusion))
    if full is None or not images or profile is None or profile.accuracy is None or profile.agreement is None:
        return None
    return full, profile.accuracy, images, profile.agreement


def _is_kept(full: float, low: float, images: int, same: float) -> bool | None:
    """Kept within `KEPT`; lost where even the most images on which the two can differ leave the loss beyond chance."""
    if full - low <= KEPT:
        return True
    lost, differing = round((full - low) * images), round((1 - same) * images)
    only_low = max(0, (differing - lost) // 2)
    return False if float(mcnemar_exact(only_low + lost, only_low)) < ALPHA else None
