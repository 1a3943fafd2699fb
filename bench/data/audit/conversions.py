"""What was done to the images of a set on their way to 8-bit RGB, as a run and an audit tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.data.audit.scan import ImageInfo
from bench.data.pixels.convert import CHANGES, Change
from bench.data.pixels.wide_samples import FULL, bits_for
from bench.results.notice import Notice

__all__ = ["conversions"]


def conversions(facts: Sequence[ImageInfo]) -> Iterator[Notice]:
    """Yield a notice for each kind of conversion that an image needed, in the order of `CHANGES`."""
    counted = Counter(change for fact in facts for change in fact.changes)
    highest = [fact.highest for fact in facts if fact.highest is not None]
    yield from (_notice(change, counted[change], highest) for change in CHANGES if counted[change])


def _notice(change: Change, count: int, highest: Sequence[int]) -> Notice:
    match change:
        case "transparency":
            return Notice.of("pixels_transparency", count=count)
        case "rotated":
            return Notice.of("pixels_rotated", count=count)
        case "wide":
            bits = bits_for(highest) or FULL
            return Notice.of("pixels_wide", count=count, bits=bits, highest=max(highest))
        case "float":
            return Notice.of("pixels_float", count=count)
        case "palette":
            return Notice.of("pixels_palette", count=count)
        case "cmyk":
            return Notice.of("pixels_cmyk", count=count)
        case "color_space":
            return Notice.of("pixels_color_space", count=count)
        case "profile":
            return Notice.of("pixels_profile", count=count)
        case "first_frame":
            return Notice.of("pixels_first_frame", count=count)
        case "metadata":
            return Notice.of("pixels_metadata", count=count)
        case "end":
            return Notice.of("pixels_end", count=count)
