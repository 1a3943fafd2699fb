"""`train.select` takes any metric that a confusion matrix gives, one of others too."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from bench.errors import StudyError
from bench.results.history import EpochRecord
from bench.stats.metrics import METRICS, confusion_matrix
from bench.stats.metrics.base import Metric
from bench.study.load import load_study
from bench.study.train import TrainSpec
from bench.training.heads.baselines import fit_knn
from bench.training.inputs.batches import FeatureBatches
from bench.training.loop import Epoch, TrainContext, fit
from bench.training.scores import Scores, rank, score_logits
from tests.bench.training.fixtures import Images, MakeModel

WORST_MISS = Metric(
    title="Worst miss",
    help="Largest share of a class's images that is missed; 0 is best.",
    of_matrices=lambda cm: 1 - (np.diagonal(cm, axis1=-2, axis2=-1) / cm.sum(-1)).min(-1),
    higher_is_better=False,
)
UNDEFINED = Metric(title="Nothing", help="Undefined.", of_matrices=lambda cm: np.full(cm.shape[:-2], np.nan))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS.entries, "worst_miss", f"{__name__}:WORST_MISS")
    monkeypatch.setitem(METRICS.entries, "undefined", f"{__name__}:UNDEFINED")


def test_a_registered_metric_picks_the_epoch(images: Images, small: MakeModel, context: TrainContext) -> None:
    """The kept weights are those of the epoch with its best value, where lower is better."""
    spec = TrainSpec(epochs=5, batch_size=16, lr=3e-3, select="worst_miss")
    validation = images.batches(72, 96)
    fitted = fit(small("vit_tiny_p16").module, images.batches(0, 48), validation, spec, context)
    found = [epoch.validation.selected for epoch in fitted.history]
    assert len(set(found)) > 1
    assert found[fitted.best_epoch - 1] == min(value for value in found if value is not None)
    matrix = confusion_matrix(validation.labels, fitted.validation_logits.argmax(1), 3)
    assert WORST_MISS.score(validation.labels, np.empty(0), matrix) == found[fitted.best_epoch - 1]


def test_the_loss_breaks_a_tie_and_an_undefined_score_comes_last() -> None:
    spec = TrainSpec(select="worst_miss")
    good, tied, bad = Scores(0.5, 0, 0, 0, 0.25), Scores(0.4, 0, 0, 0, 0.25), Scores(0.1, 0, 0, 0, 0.5)
    undefined = Scores(0.0, 1.0, 1.0, 1.0, None)
    assert sorted([bad, undefined, tied, good], key=lambda s: rank(s, spec), reverse=True) == [
        tied,
        good,
        bad,
        undefined,
    ]
    logits = np.eye(3, dtype=np.float32)
    assert score_logits(logits, np.arange(3), 3, "undefined").selected is None
    assert score_logits(logits, np.arange(3), 3, "macro_f1").selected == 1.0


def test_heads_that_are_solved_select_by_it_too(context: TrainContext) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = torch.from_numpy(draw.normal(size=(1, 60, 4)).astype(np.float32))
    batches = FeatureBatches(features, labels, torch.device("cpu"))
    scores = fit_knn(batches, batches, TrainSpec(select="worst_miss"), context).result.history[0].validation
    assert scores.selected == 0.0  # the nearest neighbor of a training image is itself


def test_the_history_holds_it_and_stays_as_it_is_without() -> None:
    """A line has the key only where it has a value, and a checkpoint gives it back."""
    plain = Epoch(1, 0.1, Scores(math.nan, 0.5, 0.5, None), Scores(0.7, 0.5, 0.5, 0.0), 2.5, 0.5, 40.0)
    keys = ["loss", "accuracy", "balanced_accuracy", "kappa"]
    line = EpochRecord.model_validate(plain.to_dict()).model_dump_json()
    assert list(json.loads(line)["validation"]) == keys
    assert list(json.loads(line)["train"]) == keys
    chosen = Epoch(1, 0.1, Scores(1.0, 0.5, 0.5, 0.0, 0.75), Scores(0.7, 0.5, 0.5, 0.0, 0.25), 2.5, 0.5, 40.0)
    read = EpochRecord.model_validate_json(EpochRecord.model_validate(chosen.to_dict()).model_dump_json())
    assert read.validation is not None
    assert (read.train.selected, read.validation.selected) == (0.75, 0.25)
    assert Epoch.from_dict(chosen.to_dict()) == chosen


def test_a_study_takes_it_and_refuses_what_a_matrix_does_not_give() -> None:
    assert load_study("quickstart", settings=["train.select=worst_miss"]).train.select == "worst_miss"
    for name in ("log_loss", "acuracy"):
        with pytest.raises(StudyError, match=f"unknown score '{name}'; choose from loss, accuracy, balanced_accuracy"):
            load_study("quickstart", settings=[f"train.select={name}"])
