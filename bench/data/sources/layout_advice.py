"""Which settings of ``dataset.layout`` would decide, for a message about folders that can be read in several ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bench.data.sources.folder_names import is_group, split_meant
from bench.study.layout import CLASS, GROUP, SPLIT, Layout

__all__ = ["advice", "shown"]

_SHOWN = 4
"""Names that a message lists."""


def shown(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def advice(images: Mapping[tuple[str, ...], int]) -> str:
    """Say what to set for each way to read the folders; ``images``: how many lie in each."""
    ways = [f"{str(layout)!r} for the classes {shown(classes)}" for layout, classes in _ways(images)]
    return (
        "To decide, set dataset.layout (patchbench data --layout PATTERN, run --set dataset.layout=PATTERN), "
        f"in quotes: {', or '.join(ways)}. {{group}} in place of a * keeps the images of such a folder in one split; "
        "images that lie otherwise are left out (docs/data.md)"
    )


def _ways(images: Mapping[tuple[str, ...], int]) -> list[tuple[Layout, list[str]]]:
    """The layouts that fit the commonest depth, with the classes of each."""
    depths: Counter[int] = Counter()
    for folders, count in images.items():
        depths[len(folders)] += count
    loose = all(split_meant(folders[0]) for folders in images if len(folders) == 1)  # ``test/*`` beside ``train/cat/*``
    depth = max(sorted(depths), key=lambda depth: (depth > 1 or not loose, depths[depth]))
    rows = [folders for folders in images if len(folders) == depth]
    split = depth > 1 and len({split_meant(row[0]) for row in rows} - {None}) > 1
    if split:
        rows = [row for row in rows if split_meant(row[0])]
    names = [sorted(set(level)) for level in zip(*rows, strict=True)]
    plain = _without_class(names, split)
    places = [index for index, part in enumerate(plain) if part in ("*", GROUP) and not _says_split(names[index])]
    ways = [(Layout((*plain[:at], CLASS, *plain[at + 1 :])), names[at]) for at in places or [depth - 1]]
    below = [row[int(split) :] for row in images if not split or split_meant(row[0])]
    shallow, deep = {row[0] for row in below if len(row) == 1}, {row[0] for row in below if len(row) > 1}
    if deep and deep <= shallow:
        ways.append((Layout((SPLIT, CLASS) if split else (CLASS,), deep=True), sorted(shallow)))
    return ways


def _without_class(names: list[list[str]], split: bool) -> list[str]:
    """What each level is where it is not the class; ``split``: the first one is the split."""
    parts: list[str] = []
    for index, level in enumerate(names):
        if SPLIT not in parts and (split if not index else _says_split(level)):
            parts.append(SPLIT)
        elif GROUP not in parts and len(level) > 1 and all(map(is_group, level)):
            parts.append(GROUP)
        else:
            parts.append(level[0] if len(level) == 1 else "*")
    return parts


def _says_split(level: list[str]) -> bool:
    """Whether a level names splits and no classes: ``cat/train``, or the second of ``seg_train/seg_train``."""
    return len({split_meant(name) for name in level}) > 1 and all(map(split_meant, level))
