"""Lists and draws synthetic cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.data.decode import encode_ppm
from bench.data.sources.base import Sample, Source
from bench.data.sources.synthetic.drawing import draw_cell
from bench.data.sources.synthetic.traits import KINDS
from bench.results.dataset import DataCard
from bench.results.notice import Notice

__all__ = ["SyntheticReader", "open_synthetic"]


@dataclass(frozen=True)
class SyntheticReader:
    """Generates the image that a name stands for."""

    size: int
    difficulty: float
    seed: int

    def read(self, name: str) -> bytes:
        """Return the image called ``name`` (``basophil/000008``) as the bytes of a PPM file."""
        kind, _, index = name.partition("/")
        rng = np.random.default_rng([self.seed, int(index)])
        return encode_ppm(draw_cell(kind, self.size, rng, self.difficulty))


def open_synthetic(count: int, size: int, classes: int | None, difficulty: float, seed: int) -> Source:
    """List ``count`` drawings of ``size`` x ``size`` pixels that take the first ``classes`` kinds in turn."""
    kinds = tuple(KINDS)[: classes or len(KINDS)]
    names = [(kinds[index % len(kinds)], index) for index in range(count)]
    records = [Sample(name=f"{kind}/{index:06d}", label=kind) for kind, index in names]
    return Source(
        records=tuple(sorted(records, key=lambda record: record.name)),
        reader=SyntheticReader(size, difficulty, seed),
        card=DataCard(
            name=f"synthetic blood cells (difficulty {difficulty:g}, seed {seed})",
            source="synthetic",
            synthetic=True,
            license="made by patchbench; free to use",
            unknown=(Notice.of("synthetic_images"),),
        ),
    )
