"""Random draws that depend on the cell's seed, their purpose and the epoch alone.

No generator runs on from one epoch to the next, so an epoch after a resume draws the same numbers
as without it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

__all__ = ["generator", "numbers", "seed_of"]

Purpose = Literal["order", "augment", "mix", "model"]
_STREAMS: dict[Purpose, int] = {"order": 1, "augment": 2, "mix": 3, "model": 4}


def seed_of(seed: int, purpose: Purpose, *place: int) -> int:
    """A 63-bit seed for a purpose at a place: an epoch, a batch."""
    return int(np.random.SeedSequence([seed, _STREAMS[purpose], *place]).generate_state(1, np.uint64)[0] >> 1)


def numbers(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """A numpy generator for a purpose at a place."""
    return np.random.default_rng([seed, _STREAMS[purpose], *place])


def generator(seed: int, purpose: Purpose, *place: int) -> torch.Generator:
    """A torch generator on the CPU for a purpose at a place."""
    return torch.Generator().manual_seed(seed_of(seed, purpose, *place))
