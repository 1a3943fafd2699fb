"""The audit of a set as large as PBC: 17,000 JPEGs of 360 x 363 pixels."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.audit.findings import audit
from bench.data.parallel import map_chunks, worker_count
from bench.data.sources.synthetic.drawing import draw_cell
from bench.data.sources.synthetic.traits import KINDS
from bench.study.dataset import DatasetSpec

FULL = 17_000
SECONDS = 60.0


class _Writer:
    """Writes shifted and shaded copies of a few drawings: as costly to decode as real ones, and no two alike."""

    def __init__(self, root: Path, drawings: list[np.ndarray]) -> None:
        self.root, self.drawings = root, drawings

    def __call__(self, part: list[int]) -> int:
        for index in part:
            rng = np.random.default_rng(index)
            shade = rng.integers(0, 30)
            pixels = np.roll(self.drawings[index % len(self.drawings)], tuple(rng.integers(0, 360, 2)), (0, 1))
            data = io.BytesIO()
            Image.fromarray(np.clip(pixels, 0, 225) + np.uint8(shade)).save(data, "JPEG", quality=90)
            label = KINDS[index % len(KINDS)]
            (self.root / label / f"{index:05d}.jpg").write_bytes(data.getvalue())
        return len(part)


def make_jpegs(root: Path, count: int) -> None:
    drawings = [draw_cell(KINDS[k % 8], 363, np.random.default_rng(k), 0.5)[:, :360] for k in range(32)]
    for label in KINDS:
        (root / label).mkdir(parents=True)
    assert sum(map_chunks(_Writer(root, drawings), range(count), chunk=64)) == count


@pytest.fixture
def jpegs(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "jpegs"
    yield root
    shutil.rmtree(root, ignore_errors=True)


def test_an_audit_of_a_part_keeps_the_pace(jpegs: Path) -> None:
    """A tenth of the set in a tenth of the computing that two cores do in a minute."""
    make_jpegs(jpegs, FULL // 10)
    before = _cpu_seconds()
    report = audit(DatasetSpec(path=jpegs))
    spent = _cpu_seconds() - before
    assert report.findings.readable == FULL // 10
    assert spent / 2 < SECONDS / 10, f"{spent:.1f} s of computing for {FULL // 10} images"


@pytest.mark.slow
def test_an_audit_of_the_whole_takes_less_than_a_minute(jpegs: Path) -> None:
    make_jpegs(jpegs, FULL)
    busy = os.getloadavg()[0] > worker_count() + 1
    before, started = _cpu_seconds(), time.perf_counter()
    report = audit(DatasetSpec(path=jpegs))
    seconds, spent = time.perf_counter() - started, _cpu_seconds() - before
    assert report.findings.readable == FULL
    print(f"audit of {FULL:,} images: {seconds:.1f} s on {worker_count()} cores, {spent:.1f} s of computing")
    assert spent / 2 < SECONDS
    if not busy:  # else the wall clock measures the other programs
        assert seconds < SECONDS * max(1.0, 2 / worker_count())


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])
