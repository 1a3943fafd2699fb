"""Batch normalization and batches of one image: refused before the first cell, with the setting named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import StudyError
from bench.runner.dry_run import dry_run
from bench.runner.study import run_study
from bench.study.schema import Study
from bench.study.train import TrainSpec
from bench.training.inputs.batches import make_batches, split_microbatches
from bench.training.optim import single_image
from bench.training.optim.single_image import refuse_single_images, smallest_part
from tests.isolated_here import call_here


@pytest.mark.parametrize("micro", [None, 1, 2, 3, 8])
@pytest.mark.parametrize("batch", [1, 2, 3, 7, 16])
def test_the_smallest_part_is_that_of_the_loop(batch: int, micro: int | None) -> None:
    if micro is not None and micro > batch:
        return
    spec = TrainSpec(batch_size=batch, micro_batch=micro)
    for images in range(1, 40):
        parts = [
            len(part)
            for whole in make_batches(np.arange(images), batch, training=True)
            for part in split_microbatches(whole, micro)
        ]
        assert smallest_part(images, spec) == min(parts), images


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"batch_size": 1}, "train.batch_size 1 gives resnet18 one training image.*Set train.batch_size to 2 or more"),
        ({"batch_size": 3, "micro_batch": 2}, "train.micro_batch 2 gives resnet18.*Set train.micro_batch to 2"),
    ],
)
def test_it_is_refused_before_the_first_cell(
    study: Callable[..., Study], tmp_path: Path, train: dict[str, Any], words: str
) -> None:
    refused = study(models=[{"name": "resnet18", "weights": "none"}], train={"epochs": 1, **train})
    with pytest.raises(StudyError, match=words):
        run_study(refused, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()
    with pytest.raises(StudyError, match=words):
        dry_run(refused, out=tmp_path / "r")


def test_what_can_learn_from_one_image_may(study: Callable[..., Study]) -> None:
    """A ViT has no batch normalization, a frozen backbone does not learn, a larger image has more values."""
    for keys in (
        {"models": [{"name": "vit_tiny_p16", "weights": "none"}]},
        {"models": [{"name": "resnet18", "weights": "none"}], "regimes": ["frozen"]},
        {"models": [{"name": "resnet18", "weights": "none", "image_size": 64}]},
    ):
        single = study(**keys, train={"epochs": 1, "batch_size": 1})
        refuse_single_images(single.cells("f" * 64, "s" * 64, {}), images=20, classes=2)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Ask in this process, but for one case."""
    if "train0" not in request.node.name:
        monkeypatch.setattr(single_image, "call_isolated", call_here)


@pytest.fixture
def study() -> Callable[..., Study]:
    def build(**keys: Any) -> Study:
        data = {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2}
        return Study.model_validate({"name": "small", "dataset": data, "regimes": ["scratch"], **keys})

    return build
