"""Which models no test separates: groups of them, as a compact letter display."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_letters

from bench.errors import DataError
from bench.stats.paired_tests import Comparison

__all__ = ["Groups", "groups"]


@dataclass(frozen=True, slots=True)
class Groups:
    """What the tests can and cannot separate."""

    order: tuple[str, ...]
    """All models, the most accurate first."""
    tied_with_best: tuple[str, ...]
    """The first of ``order`` and every model whose corrected test against it does not separate them."""
    winner: str | None
    """The first of ``order`` if it is separated from every other model, otherwise nobody."""
    letters: dict[str, str] | None
    """Compact letter display: two models share a letter exactly when no test separates them. ``None`` where that
    would take more than 52 letters."""


def _maximal_cliques(neighbors: Sequence[int]) -> Iterator[int]:
    """Yield the maximal cliques of a graph as bit masks (Bron and Kerbosch 1973, with Tomita's pivot)."""
    stack = [(0, (1 << len(neighbors)) - 1, 0)]
    while stack:
        clique, candidates, excluded = stack.pop()
        if not candidates:
            if not excluded:
                yield clique
            continue
        pivot = max(_bits(candidates | excluded), key=lambda v: (candidates & neighbors[v]).bit_count())
        for v in _bits(candidates & ~neighbors[pivot]):
            near = neighbors[v]
            stack.append((clique | 1 << v, candidates & near, excluded & near))
            candidates &= ~(1 << v)
            excluded |= 1 << v


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _letters(order: Sequence[str], separated: set[frozenset[str]]) -> dict[str, str] | None:
    alike = [
        sum(1 << j for j, other in enumerate(order) if other != name and frozenset((name, other)) not in separated)
        for name in order
    ]
    cliques = []
    for clique in _maximal_cliques(alike):
        cliques.append(clique)
        if len(cliques) > len(ascii_letters):
            return None
    cliques.sort(key=lambda clique: list(_bits(clique)))
    return {
        name: "".join(letter for letter, clique in zip(ascii_letters, cliques, strict=False) if clique >> i & 1)
        for i, name in enumerate(order)
    }


def groups(comparisons: Sequence[Comparison], alpha: float = 0.05) -> Groups:
    """Group models that the corrected tests at ``alpha`` cannot separate.

    ``comparisons``: all pairs, from :func:`compare_all`. The letters are a compact letter display (Piepho 2004): one
    for each largest set of models of which no two are separated. "Not separated" is not "equal": more test
    images may separate them. Note that it does not chain: of a, b and c, a and b may be tied, b and c too, and a and
    c separated. An empty list gives empty groups.
    """
    accuracy = {c.a: c.accuracy_a for c in comparisons} | {c.b: c.accuracy_b for c in comparisons}
    order = sorted(accuracy, key=lambda name: (-accuracy[name], name))
    if len(comparisons) != len(order) * (len(order) - 1) // 2:
        raise DataError("Grouping needs the comparison of every pair of models once, as compare_all gives them.")
    if not order:
        return Groups((), (), None, {})
    separated = {frozenset((c.a, c.b)) for c in comparisons if c.separated(alpha)}
    tied = [name for name in order if frozenset((order[0], name)) not in separated]
    return Groups(tuple(order), tuple(tied), order[0] if len(tied) == 1 else None, _letters(order, separated))
