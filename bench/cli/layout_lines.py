"""A data set as it was understood, in a line: which folder is what, and how many images each class and split has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # which the command line imports, and has to be quick
    from bench.results.dataset import DatasetManifest, FoundLayout

__all__ = ["data_line", "layout_line"]

_CLASSES = 12
"""Classes that a line names."""


def layout_line(layout: FoundLayout) -> str:
    """Which level of folders is what, and who says so."""
    how = "as dataset.layout says" if layout.given else "found; dataset.layout sets another"
    inside = f" in {layout.inside}" if layout.inside else ""
    return f"layout {layout.pattern}{inside} ({how})"


def data_line(manifest: DatasetManifest) -> str:
    """What a run takes its data for; names are not escaped."""
    named = [f"{name} ({sum(manifest.counts.get(name, {}).values()):,})" for name in manifest.classes]
    more = [f"and {len(named) - _CLASSES:,} more"] if len(named) > _CLASSES else []
    splits = ", ".join(f"{manifest.splits.count(own):,} {own}" for own in ("train", "validation", "test"))
    layout = f"{layout_line(manifest.card.layout)}; " if manifest.card.layout is not None else ""
    return (
        f"data: {layout}{len(named)} classes: {', '.join(named[:_CLASSES] + more)}; "
        f"{manifest.split_method} split: {splits}"
    )
