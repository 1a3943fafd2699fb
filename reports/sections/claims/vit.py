"""Claims 1 and 7 of the study that patchbench grew out of, which are of Vision Transformers alone."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np

from bench.results.schema import CellResult
from bench.stats.paired_bootstrap import paired_difference
from bench.stats.paired_tests import mcnemar_exact
from reports.inputs.report_data import ReportData
from reports.inputs.significance import ALPHA
from reports.sections.claims.rules import Finding, more, outcome
from reports.text.formatting import points
from reports.text.i18n import Translator

__all__ = ["KEPT", "patch_ram", "quantized"]

KEPT = 0.01
"""A quantized model that loses at most this share of the test images has kept its accuracy."""

_ROUNDING = 1e-6
"""Images; `KEPT` of a number of images need not be a whole number in floating point."""

_BUILT = ("image_size", "feature_blocks", "pooling")
"""What a study may change in a model beside its name."""


def patch_ram(data: ReportData, _: Translator) -> Finding | None:
    """Claim 1. A transformer's tokens fall with the square of the patch, so the opposite is expected."""
    groups: dict[tuple[object, ...], list[tuple[int, float]]] = {}
    for entry in data.ok:
        result = entry.result
        if result and entry.group == "vit" and result.model.patch and result.memory.peak_ram_mib is not None:
            setting = (entry.regime, entry.device, entry.precision, entry.seed, entry.run_name)
            key = (*_without_patch(result, result.model.patch), *setting)
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
        "{n} pairs of ViTs that differ only in patch size: the larger patch took more RAM in {more}, less in {less}, "
        "as much in {same}."
    )
    return outcome(holds), text.format(
        n=len(cases), more=holds.count(True), less=holds.count(False), same=holds.count(None)
    )


def _without_patch(result: CellResult, patch: int) -> tuple[object, ...]:
    """The model's own name without its patch (a label need not tell it), and how it was built."""
    model = result.cell.model
    stem = re.sub(rf"(?<![a-z\d])(?:p|patch)?_?{patch}(?!\d)", "", model.name, flags=re.IGNORECASE)
    return (stem, result.model.image_size, *(getattr(model, key) for key in _BUILT))


def quantized(data: ReportData, _: Translator) -> Finding | None:
    """Claim 7, from the int8 backend beside the eager one on the same test images."""
    pairs = [
        (entry.label, found)
        for entry in data.leading
        if entry.result
        and entry.group == "vit"
        and not entry.has_random_frozen_backbone
        and (found := _int8(entry.result)) is not None
    ]
    if not pairs:
        return None
    changes, same = [low - full for _label, (full, low, *_rest) in pairs], [found[3] for _label, found in pairs]
    text = _(
        "{n} ViTs in 8 bits: accuracy changed by {low} to {high} points, and {same} % of the images or more kept their "
        "class. Fewer bits were not tried."
    )
    models = len({label for label, _found in pairs})
    figures = text.format(n=models, low=points(min(changes)), high=points(max(changes)), same=f"{min(same) * 100:.1f}")
    return outcome(_is_kept(*found) for _label, found in pairs), figures


def _int8(result: CellResult) -> tuple[float, float, int, float] | None:
    """Accuracy of the eager model, that in int8, test images, and the share of them that kept their class."""
    full = result.metrics.get("accuracy")
    profile = next((profile for profile in result.profiles if profile.backend == "int8"), None)
    images = sum(map(sum, result.confusion))
    if full is None or not images or profile is None or profile.accuracy is None or profile.agreement is None:
        return None
    return full, profile.accuracy, images, profile.agreement


def _is_kept(full: float, low: float, images: int, same: float) -> bool | None:
    """Kept where the 95 % interval of the loss ends within `KEPT`; lost where the loss is more, and beyond chance.

    Which of the images that changed their class were right before is not stored: as many as can be are taken to differ
    between the two, which makes the interval and the test the widest.
    """
    lost, differing = round((full - low) * images), round((1 - same) * images)
    only_low = max(0, (differing - lost) // 2, -lost)
    only_full = only_low + lost
    labels = np.zeros(images, dtype=np.int64)
    full_classes, low_classes = labels.copy(), labels.copy()
    full_classes[:only_low] = 1
    low_classes[only_low : only_low + only_full] = 1
    loss = paired_difference(labels, full_classes, low_classes)
    if loss is not None and loss.high <= KEPT:
        return True
    is_lost = lost > KEPT * images + _ROUNDING and float(mcnemar_exact(only_full, only_low)) < ALPHA
    return False if is_lost else None
