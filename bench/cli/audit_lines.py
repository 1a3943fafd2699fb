"""The findings of an audit as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.cli.layout_lines import layout_line
from bench.data.audit.findings import AuditReport
from bench.results.dataset import AuditFindings, Dropped, DuplicateGroup
from bench.results.duration import duration
from reports.text.messages import word

__all__ = ["audit_lines"]

_SHOWN = 20  # lines of each kind of finding
_NAMED = 5  # images of a group of duplicates


def audit_lines(report: AuditReport) -> Iterator[str]:
    """Yield the lines; names in them are not escaped yet."""
    found = report.findings
    yield f"{report.card.name}: {found.images:,} files, {found.readable:,} readable, in {duration(report.seconds)}"
    yield from _layout(report)
    yield from _listed("unreadable", len(found.unreadable), _reasons(found.unreadable))
    yield from _duplicates(found)
    yield from _listed("odd size or mode", found.odd_images, _reasons(found.odd))
    yield from _listed("not taken for images", len(found.ignored), _reasons(found.ignored))
    yield "sizes: " + ", ".join(f"{size} ({count:,})" for size, count in found.sizes.items())
    yield "modes: " + ", ".join(f"{mode} ({count:,})" for mode, count in found.modes.items())
    if found.conversions:
        yield "on the way to 8-bit RGB (docs/pixels.md):"
        yield from (f"    {word(conversion)}" for conversion in found.conversions)
    yield from _classes(found)
    for unknown in report.card.unknown:
        yield f"not known: {word(unknown)}"


def _layout(report: AuditReport) -> Iterator[str]:
    """The folders as they were understood: what each level is, and how many images each split and class has."""
    if report.card.layout is None:
        return
    yield layout_line(report.card.layout)
    for split, classes in report.by_split.items():
        named = [f"{name} ({count:,})" for name, count in classes.items()]
        more = [f"and {len(named) - _SHOWN:,} more"] if len(named) > _SHOWN else []
        yield f"    {split or 'no split'}: {sum(classes.values()):,} files: {', '.join(named[:_SHOWN] + more)}"


def _duplicates(found: AuditFindings) -> Iterator[str]:
    groups = (_members(group, "{name}", " = ") for group in found.exact)
    yield from _listed("exact duplicates (pairs, by pixels)", found.exact_pairs, groups, len(found.exact))
    conflicting = (f"{_members(g, '{name}', ' = ')}: {_members(g, '{label}', ' / ')}" for g in found.conflicting)
    yield from _listed("of these with different labels", len(found.conflicting), conflicting)
    near = (f"{p.first} ~ {p.second}: {p.distance} of 64 bits differ" for p in found.near)
    yield from _listed(
        f"near duplicates (pairs, perceptual hash within {found.near_threshold})", found.near_pairs, near
    )
    leaks = (f"{a} | {b}" for a, b in found.would_leak)
    yield from _listed("pairs that a plain random split would put into different splits", found.would_leak_pairs, leaks)


def _classes(found: AuditFindings) -> Iterator[str]:
    yield "classes: " + ", ".join(f"{name} ({count:,})" for name, count in found.class_counts.items())
    bare = [name for name, count in found.class_counts.items() if count == 0]
    yield from _listed("classes without a readable image (a run refuses them)", len(bare), bare)
    if len(found.class_counts) < 2:
        yield "only one class: a run needs two or more"
    if found.imbalance is not None:
        yield f"imbalance: {found.imbalance:.2f} images of the largest class for one of the smallest"


def _reasons(dropped: Sequence[Dropped]) -> Iterator[str]:
    return (f"{image.name}: {word(image.notice)}" for image in dropped)


def _members(group: DuplicateGroup, form: str, between: str) -> str:
    shown = between.join(form.format(name=name, label=label) for name, label in group.examples(_NAMED))
    return shown + (f" and {len(group.names) - _NAMED:,} more" if len(group.names) > _NAMED else "")


def _listed(what: str, count: int, lines: Iterable[str], rows: int | None = None) -> Iterator[str]:
    """The heading with its count, then the first lines; ``rows``: how many lines there are, where not one for each."""
    yield f"{what}: {count:,}"
    rows = count if rows is None else rows
    shown = 0
    for line in lines:
        if shown == _SHOWN:
            break
        shown += 1
        yield f"    {line}"
    if rows > shown > 0:
        yield f"    and {rows - shown:,} more (--json lists more of them)"
