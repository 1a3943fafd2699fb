"""Synthetic blood cells: eight kinds, generated from a seed, at any size and any difficulty.

They stand in for a real data set in tests and in the quickstart study. They differ as real cells do (size,
nucleus, granules, color, red cells behind), but a score on them means nothing for real blood.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from bench.data.sources.synthetic.shapes import Field, chain_distance, grid, smooth_noise, soft_step
from bench.data.sources.synthetic.traits import KINDS, Traits, draw_traits
from bench.errors import DataError, nearest

__all__ = ["KINDS", "LARGEST_SIZE", "SMALLEST_SIZE", "draw_cell"]

SMALLEST_SIZE = 16
LARGEST_SIZE = 4096

_BACKGROUND = np.array([252, 230, 206], dtype=np.float32)
_RED_CELL = np.array([208, 170, 162], dtype=np.float32)
_FRAGMENT = np.array([104, 56, 132], dtype=np.float32)
_BLUISH = np.array([0.89, 0.97, 1.16], dtype=np.float32)  # a lamp without the usual yellow
_VACUOLE = np.array([232, 218, 226], dtype=np.float32)


def draw_cell(kind: str, size: int, rng: np.random.Generator, difficulty: float = 0.5) -> npt.NDArray[np.uint8]:
    """Draw one cell of ``kind`` (one of `KINDS`) as an RGB image of shape (size, size, 3).

    ``rng`` decides everything that is random: the same state gives the same image. ``difficulty`` runs from 0
    (the kinds are far apart) to 1 (they overlap, and no model can be perfect).
    Raises DataError for an unknown kind, and for a size or a difficulty out of range.
    """
    _check(kind, size, difficulty)
    size, difficulty = int(size), float(difficulty)
    traits = draw_traits(kind, rng, difficulty)
    middle = rng.normal(0.0, 0.03 + 0.11 * difficulty, 2)
    softness = (2.0 / size) * 0.8 + (0.004 + 0.02 * difficulty * rng.random())
    image = np.empty((size, size, 3), dtype=np.float32)
    image[:] = _BACKGROUND
    _draw_red_cells(image, rng, traits.radius, middle, softness)
    _draw_fragments(image, rng, traits.radius, softness)
    _draw_white_cell(image, rng, traits, middle, softness)
    return _photograph(image, rng, difficulty)


def _check(kind: object, size: Any, difficulty: Any) -> None:
    """Raise DataError unless a cell can be generated from the three."""
    if not isinstance(kind, str) or kind not in KINDS:
        hint = nearest(kind, KINDS) if isinstance(kind, str) else ""
        raise DataError(f"No synthetic cell is called {kind!r}.{hint} Choose one of: {', '.join(KINDS)}.")
    if not _is_number(size, Integral) or not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise DataError(
            f"A synthetic image cannot be {size!r} pixels wide: "
            f"give a whole number from {SMALLEST_SIZE} to {LARGEST_SIZE}."
        )
    if not _is_number(difficulty, Real) or not 0 <= difficulty <= 1:
        raise DataError(
            f"The difficulty of synthetic images cannot be {difficulty!r}: "
            "give a number from 0 (easy) to 1 (the kinds overlap)."
        )


def _is_number(value: object, sort: type) -> bool:
    """Say whether ``value`` is a number of this ``sort``; True and False are none here."""
    return isinstance(value, sort) and not isinstance(value, bool)


def _window(x: float, y: float, reach: float, size: int) -> tuple[slice, slice, Field, Field] | None:
    """Return rows, columns and coordinates of the pixels within ``reach`` of (x, y), None if none are."""
    bounds = []
    for middle in (y, x):
        first = max(0, math.floor((middle - reach + 1) * size / 2))
        last = min(size, math.ceil((middle + reach + 1) * size / 2))
        if last <= first:
            return None
        bounds.append((first, last))
    (top, bottom), (left, right) = bounds
    across = grid(left, right - left, size, x)[None, :]
    down = grid(top, bottom - top, size, y)[:, None]
    return slice(top, bottom), slice(left, right), across, down


def _blend(image: Field, color: Field, alpha: Field) -> None:
    """Lay ``color`` (3,) or (h, w, 3) over ``image`` (h, w, 3) in place, by ``alpha`` (h, w) from 0 to 1."""
    image += (color - image) * alpha[:, :, None]


def _draw_red_cells(
    image: Field, rng: np.random.Generator, radius: float, middle: npt.NDArray[np.float64], softness: float
) -> None:
    """Scatter red cells, pale in the middle, around the place where the white cell will lie."""
    size = image.shape[0]
    count = int(rng.integers(12, 60))
    places = rng.uniform(-1.25, 1.25, (count, 2))
    radii = rng.normal(0.26, 0.025, count).clip(0.16, 0.36)
    squeeze = rng.normal(1.0, 0.1, count).clip(0.7, 1.4)
    pallor = rng.uniform(0.2, 0.9) + rng.normal(0.0, 0.12, count)
    density = np.zeros((size, size), dtype=np.float32)
    taken = [(float(middle[0]), float(middle[1]), radius)]
    for (x, y), r, wide, pale in zip(places, radii, squeeze, pallor.clip(0, 0.95), strict=True):
        # Red cells may overlap a little, as on a smear.
        near = any(math.hypot(x - a, y - b) < 0.8 * (r + other) for a, b, other in taken)
        window = None if near else _window(x, y, r * 1.5, size)
        if window is None:
            continue
        taken.append((x, y, r))
        rows, columns, across, down = window
        distance = np.hypot(across * np.float32(wide), down / np.float32(wide))
        disc = soft_step(np.float32(r) - distance, softness + 0.01)
        hollow = soft_step(np.float32(0.48 * r) - distance, 0.3 * r)
        density[rows, columns] += disc * (1 - np.float32(pale) * hollow)
    _blend(image, _RED_CELL, np.minimum(density, 1.5))


def _draw_fragments(image: Field, rng: np.random.Generator, radius: float, softness: float) -> None:
    """Put up to two platelets, too small to be the subject, near the rim of the image."""
    for _ in range(int(rng.integers(0, 3))):
        angle, far, r = rng.uniform(0, 2 * math.pi), rng.uniform(radius + 0.2, 1.2), rng.uniform(0.03, 0.08)
        window = _window(far * math.cos(angle), far * math.sin(angle), r * 2, image.shape[0])
        if window is not None:
            rows, columns, across, down = window
            alpha = soft_step(np.float32(r) - np.hypot(across, down), softness + 0.3 * r)
            _blend(image[rows, columns], _FRAGMENT, alpha * np.float32(0.8))


def _draw_white_cell(
    image: Field, rng: np.random.Generator, traits: Traits, middle: npt.NDArray[np.float64], softness: float
) -> None:
    """Draw the subject: cytoplasm, vacuoles, nucleus and granules, in its own bent coordinates."""
    reach = traits.radius * 1.6
    window = _window(float(middle[0]), float(middle[1]), reach, image.shape[0])
    if window is None:
        return
    rows, columns, across, down = window
    height, width = down.shape[0], across.shape[1]
    bend = np.float32(traits.raggedness * traits.radius)
    x = across + bend * smooth_noise(rng, 6, height, width)
    y = down + bend * smooth_noise(rng, 6, height, width)
    angle = rng.uniform(0, 2 * math.pi)
    cos, sin, stretch = np.float32(math.cos(angle)), np.float32(math.sin(angle)), math.sqrt(traits.elongation)
    u = cast("Field", (x * cos + y * sin) / np.float32(traits.radius * stretch))
    v = cast("Field", (y * cos - x * sin) * np.float32(stretch / traits.radius))

    soft = softness / traits.radius
    cells = max(4, round(2 * reach / traits.granule_size))
    grains = smooth_noise(rng, cells, height, width)
    # Granules also roughen the outline.
    body = soft_step(1 - np.hypot(u, v) + np.float32(0.04 * traits.granules) * grains, soft)
    nucleus = soft_step(chain_distance(u, v, _lobes(rng, traits), traits.lobe_radius, traits.pinch), soft)
    nucleus = nucleus * np.float32(traits.nucleus_opacity)

    patch = image[rows, columns]
    clumps = smooth_noise(rng, max(4, round(reach / 0.028)), height, width)
    cloud = 1 + np.float32(0.05) * smooth_noise(rng, 8, height, width)
    _blend(patch, _color(traits, "cytoplasm") * cloud[:, :, None], body)
    for _ in range(round(traits.vacuoles)):
        far, turn, r = rng.uniform(0.4, 0.9), rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.11)
        bubble = soft_step(np.float32(r) - np.hypot(u - far * math.cos(turn), v - far * math.sin(turn)), soft)
        _blend(patch, _VACUOLE, bubble * body * np.float32(0.7))
    shade = 1 + np.float32(0.35 * traits.chromatin) * clumps
    _blend(patch, _color(traits, "nucleus") * shade[:, :, None], nucleus * body)

    threshold = _quantile(1 - traits.granules)
    alpha = soft_step(grains - np.float32(threshold), 0.55 + 4 * softness)
    hidden = 1 - nucleus * np.float32(1 - traits.granules_above)
    _blend(patch, _color(traits, "granule"), alpha * body * hidden * np.float32(0.85))


def _lobes(rng: np.random.Generator, traits: Traits) -> npt.NDArray[np.float64]:
    """Return the middles (n, 2) of the nucleus's lobes in cell radii, on an arc and then moved inwards."""
    count = max(1, round(traits.lobes))
    turns = rng.uniform(0, 2 * math.pi) + traits.arc * (np.arange(count) / max(1, count - 1) - 0.5)
    points = traits.reach * np.column_stack([np.cos(turns), np.sin(turns)])
    if count > 1:
        points = points - 0.6 * points.mean(axis=0)
    return points + rng.normal(0, 0.05, (count, 2))


def _color(traits: Traits, part: str) -> Field:
    """Return the RGB color (3,) of a ``part`` of the cell."""
    return np.array([getattr(traits, f"{part}_{channel}") for channel in ("red", "green", "blue")], np.float32)


def _quantile(share: float) -> float:
    """Return about the value below which ``share`` of smooth noise lies (the logistic approximation)."""
    share = min(max(share, 0.01), 0.99)
    return math.log(share / (1 - share)) / 1.702


def _photograph(image: Field, rng: np.random.Generator, difficulty: float) -> npt.NDArray[np.uint8]:
    """Turn the scene into a photograph: stain, contrast, uneven light, blur and noise of the sensor."""
    size = image.shape[0]
    strength = 0.2 + 0.8 * difficulty
    stain = rng.normal(1.0, 0.04 * strength, 3).astype(np.float32)
    if rng.random() < 0.08 * strength:
        stain = stain * _BLUISH
    depth = np.float32(rng.normal(1.0, 0.14 * strength))
    light = np.float32(rng.normal(1.0, 0.05 * strength))
    slope = rng.normal(0.0, 0.05 * strength, 2)
    axis = grid(0, size, size, 0.0)
    lamp = light * (1 + np.float32(slope[0]) * axis[None, :] + np.float32(slope[1]) * axis[:, None])
    # A stronger stain moves everything further from the unstained background.
    image = (_BACKGROUND + (image - _BACKGROUND) * depth) * stain * lamp[:, :, None]
    blur = (0.004 + 0.016 * difficulty * float(rng.random())) * size / 2
    flat = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    blurred = np.asarray(flat.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(1.5 + 8 * difficulty * rng.random())
    return np.clip(blurred + noise + np.float32(0.5), 0, 255).astype(np.uint8)
