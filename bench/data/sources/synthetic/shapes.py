"""Smooth fields to draw cells with: noise, soft edges and the outline of a nucleus, all vectorized."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["Field", "chain_distance", "grid", "smooth_noise", "soft_step"]

Field = npt.NDArray[np.float32]


def grid(first: int, count: int, size: int, middle: float) -> Field:
    """Return the coordinates of ``count`` pixel centers from ``first`` on, in half frames from ``middle``.

    The frame is ``size`` pixels wide and runs from -1 to 1.
    """
    return ((np.arange(first, first + count, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0 - middle).astype(np.float32)


def smooth_noise(rng: np.random.Generator, cells: int, height: int, width: int) -> Field:
    """Return noise of shape (height, width), mean 0 and standard deviation near 1, smooth over 1/``cells``.

    The random numbers depend on ``cells`` alone, so one seed gives the same pattern at every image size.
    """
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return cast("Field", np.asarray(image, dtype=np.float32) * np.float32(1.4))


def soft_step(value: Field, width: float) -> Field:
    """Return 0 below -``width``, 1 above ``width`` and a smooth (Hermite) rise between."""
    t = np.clip(value * np.float32(0.5 / width) + np.float32(0.5), 0, 1)
    return cast("Field", t * t * (3 - 2 * t))


def chain_distance(x: Field, y: Field, points: npt.NDArray[np.float64], radius: float, pinch: float) -> Field:
    """Return the distance of every (x, y) to the edge of a chain of lobes, positive inside.

    ``points`` (n, 2) are the lobes' middles; between two of them the chain is thinner by the share ``pinch``.
    """
    if len(points) == 1:
        return cast("Field", np.float32(radius) - np.hypot(x - points[0, 0], y - points[0, 1]))
    best: Field | None = None
    for start, end in zip(points[:-1].astype(np.float32), points[1:].astype(np.float32), strict=True):
        step = end - start
        length = max(float(step @ step), 1e-6)
        dx, dy = x - start[0], y - start[1]
        t = np.clip((dx * step[0] + dy * step[1]) / np.float32(length), 0, 1)
        thick = np.float32(radius) * (1 - np.float32(4 * pinch) * t * (1 - t))
        inside = thick - np.hypot(dx - t * step[0], dy - t * step[1])
        best = inside if best is None else np.maximum(best, inside)
    assert best is not None
    return best
