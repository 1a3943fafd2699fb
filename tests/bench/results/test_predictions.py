"""Stored predictions of honest runs are read, however many images and classes they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.results.predictions import TestImages, read_predictions, write_predictions


@pytest.mark.parametrize(
    ("images", "classes", "name"),
    [
        (9000, 300, "c{}"),
        (3, 900, "a long name " * 20 + "{}"),
        (9000, 3, "x" * 1000 + "{}"),
        (1, 2, "{}"),
    ],
    ids=["many classes", "long names", "long labels", "few"],
)
def test_what_is_written_is_read(tmp_path: Path, images: int, classes: int, name: str) -> None:
    """Numbers that all differ take more room in a file than by themselves."""
    rng, path = np.random.default_rng(0), tmp_path / "predictions.parquet"
    labels, probabilities = rng.integers(0, classes, images), rng.random((images, classes), dtype=np.float32)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    tested = TestImages([f"{n:05}.png" for n in range(images)], labels, [name.format(n) for n in range(classes)])
    write_predictions(path, tested.names, labels, probabilities, tested.classes)
    found = read_predictions(path, tested)
    assert found is not None
    assert np.array_equal(found.probabilities, probabilities)
    assert np.array_equal(found.labels, labels)
