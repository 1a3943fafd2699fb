"""Pairs of images whose perceptual hashes nearly agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.data.audit.scan import ImageInfo

__all__ = ["near_pairs"]

_BLOCK = 256

_BITS_IN_16 = np.array([bin(value).count("1") for value in range(1 << 16)], dtype=np.uint8)


def near_pairs(facts: Sequence[ImageInfo], threshold: int, *, most: int) -> tuple[list[tuple[str, str, int]], int]:
    """Return the pairs of names whose hashes differ in at most ``threshold`` of 64 bits, the closest first.

    Every pair is compared: 17,000 images take about a second. At most ``most`` pairs are returned, with how many
    there are in all.
    """
    codes = np.array([fact.phash for fact in facts], dtype=np.uint64)
    found: list[tuple[int, int, int]] = []
    total = 0
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        rest = codes[start:]
        distance = _count_bits(block[:, None] ^ rest[None, :])
        close = distance <= threshold
        close[:, : len(block)] &= np.triu(np.ones((len(block), len(block)), dtype=bool), k=1)  # each pair once
        rows, columns = np.nonzero(close)
        total += len(rows)
        differing = distance[rows, columns]
        closest = np.argsort(differing, kind="stable")[:most]
        first, second = start + rows[closest], start + columns[closest]
        found += zip(differing[closest].tolist(), first.tolist(), second.tolist(), strict=True)
        found.sort()
        del found[most:]
    return [(facts[a].name, facts[b].name, distance) for distance, a, b in found], total


def _count_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(words), dtype=np.uint8)
    quarters = _BITS_IN_16[words.view(np.uint16).reshape(*words.shape, 4)]  # NumPy 1 has no bit count
    return np.asarray(quarters.sum(axis=-1), dtype=np.uint8)
