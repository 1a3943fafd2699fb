"""What makes a kind of blood cell what it is: numbers to draw it by, and how far one cell strays.

Lengths are in half frames (1.0 is the distance from the middle of the image to its edge) or, where noted,
in cell radii. The values were set by eye against stained smears of peripheral blood.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["KINDS", "Traits", "draw_traits"]

KINDS: tuple[str, ...] = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)


@dataclass(frozen=True)
class Traits:
    """One cell in numbers; every field is a float, so that two kinds can be mixed by a weighted mean."""

    radius: float
    """Of the whole cell, in half frames."""
    elongation: float
    """Long axis over short axis."""
    raggedness: float
    """How far the outline is bent out of its ellipse, in cell radii."""
    lobes: float
    """Of the nucleus; rounded when rendered."""
    lobe_radius: float
    """Of one lobe, in cell radii."""
    reach: float
    """Radius of the arc on which the lobes sit, in cell radii."""
    arc: float
    """Angle from the first lobe to the last, in radians."""
    pinch: float
    """How much thinner the nucleus is between two lobes than at them, 0 to 1."""
    nucleus_opacity: float
    """1 for a real nucleus, less for the dense middle of a platelet."""
    chromatin: float
    """Contrast of the clumps in the nucleus, 0 to 1."""
    granules: float
    """Share of the cytoplasm that granules cover, 0 to 1."""
    granule_size: float
    """Spacing of the granules, in half frames."""
    granules_above: float
    """How much the granules hide the nucleus, 0 to 1."""
    vacuoles: float
    """How many clear bubbles lie in the cytoplasm; rounded when rendered."""
    nucleus_red: float
    nucleus_green: float
    nucleus_blue: float
    cytoplasm_red: float
    cytoplasm_green: float
    cytoplasm_blue: float
    granule_red: float
    granule_green: float
    granule_blue: float


# radius elong ragged | lobes lobe_r reach arc pinch opacity chromatin | granules size above vacuoles | colors
_KINDS: dict[str, Traits] = {
    "basophil": Traits(
        *(0.45, 1.06, 0.035, 2.6, 0.46, 0.32, 2.4, 0.25, 0.9, 0.5, 0.68, 0.046, 0.85, 0.0),
        *(84, 42, 122, 152, 98, 158, 44, 20, 88),
    ),
    "eosinophil": Traits(
        *(0.53, 1.08, 0.040, 2.2, 0.34, 0.46, 2.4, 0.55, 1.0, 0.5, 0.68, 0.046, 0.08, 0.0),
        *(82, 42, 122, 222, 158, 158, 196, 98, 94),
    ),
    "erythroblast": Traits(
        *(0.38, 1.08, 0.035, 1.0, 0.58, 0.14, 0.5, 0.00, 1.0, 0.30, 0.03, 0.034, 0.00, 0.0),
        *(44, 22, 84, 158, 148, 188, 130, 110, 170),
    ),
    "ig": Traits(
        *(0.52, 1.10, 0.040, 2.0, 0.54, 0.26, 1.5, 0.05, 1.0, 0.55, 0.40, 0.030, 0.25, 0.3),
        *(90, 50, 128, 194, 164, 190, 130, 70, 138),
    ),
    "lymphocyte": Traits(
        *(0.36, 1.08, 0.045, 1.0, 0.85, 0.05, 0.5, 0.00, 1.0, 0.50, 0.03, 0.034, 0.00, 0.0),
        *(68, 36, 112, 128, 128, 188, 120, 90, 170),
    ),
    "monocyte": Traits(
        *(0.60, 1.15, 0.065, 3.0, 0.44, 0.36, 2.5, 0.08, 1.0, 0.60, 0.14, 0.026, 0.05, 4.0),
        *(92, 54, 132, 164, 148, 184, 140, 104, 164),
    ),
    "neutrophil": Traits(
        *(0.52, 1.07, 0.040, 4.0, 0.27, 0.50, 4.1, 0.50, 1.0, 0.40, 0.32, 0.026, 0.04, 0.2),
        *(78, 38, 118, 226, 192, 194, 200, 146, 166),
    ),
    "platelet": Traits(
        *(0.17, 1.15, 0.080, 1.0, 0.55, 0.10, 0.5, 0.00, 0.5, 0.40, 0.45, 0.034, 0.80, 0.0),
        *(104, 54, 134, 158, 126, 180, 98, 44, 122),
    ),
}

# Which kinds a cell can be half way to, as maturing or badly stained cells are on a real smear.
_NEIGHBORS: dict[str, tuple[str, ...]] = {
    "basophil": ("ig", "lymphocyte", "eosinophil"),
    "eosinophil": ("neutrophil", "ig"),
    "erythroblast": ("lymphocyte", "platelet", "ig"),
    "ig": ("monocyte", "neutrophil", "neutrophil"),
    "lymphocyte": ("erythroblast", "monocyte"),
    "monocyte": ("ig", "lymphocyte"),
    "neutrophil": ("ig", "ig", "eosinophil"),
    "platelet": ("erythroblast", "basophil"),
}

# Standard deviation within a kind at difficulty 1, in the order of the fields of Traits (the radius apart:
# it varies in proportion).
_RADIUS_SPREAD = 0.16
_SPREAD = np.array([0.0, 0.08, 0.015, 0.55, 0.06, 0.07, 0.5, 0.12, 0.08, 0.12, 0.14, 0.006, 0.15, 1.0] + [13.0] * 9)
_LOW = np.array([0.10, 1.0, 0.01, 1, 0.12, 0.0, 0.2, 0.0, 0.3, 0.05, 0.0, 0.02, 0.0, 0.0] + [10.0] * 9)
_HIGH = np.array([0.80, 1.6, 0.20, 6, 0.90, 0.6, 5.0, 0.8, 1.0, 0.8, 0.9, 0.090, 1.0, 8.0] + [245.0] * 9)

_TABLE: dict[str, npt.NDArray[np.float64]] = {kind: np.array(astuple(_KINDS[kind])) for kind in KINDS}
_MEAN = np.mean([_TABLE[kind] for kind in KINDS], axis=0)


def draw_traits(kind: str, rng: np.random.Generator, difficulty: float) -> Traits:
    """Draw the numbers of one cell of ``kind``, one of `KINDS`.

    With ``difficulty`` (0 to 1) three things grow: a pull of every kind towards the mean of all, the share of
    a neighboring kind that is mixed in, and the spread of single cells around their kind.
    """
    own = _TABLE[kind]
    neighbor = _TABLE[str(rng.choice(_NEIGHBORS[kind]))]
    share = 0.65 * difficulty * rng.random()
    center = own + share * (neighbor - own)
    center = center + 0.35 * difficulty * (_MEAN - center)
    spread = (0.25 + 0.75 * difficulty) * _SPREAD
    spread[0] = (0.25 + 0.75 * difficulty) * _RADIUS_SPREAD * center[0]
    values = np.clip(rng.normal(center, spread), _LOW, _HIGH)
    return Traits(*values.tolist())
