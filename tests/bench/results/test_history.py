from __future__ import annotations

import math
from dataclasses import fields

from bench.results.history import EpochRecord, PassScores
from bench.training.loop import Epoch
from bench.training.scores import Scores


def test_an_epoch_of_the_training_is_stored_without_a_loss() -> None:
    """History has every field of the loop's epoch, and no other."""
    assert {field.name for field in fields(Epoch)} == set(EpochRecord.model_fields)
    assert {field.name for field in fields(Scores)} == set(PassScores.model_fields)
    scores = Scores(math.nan, 0.5, 0.25, None)
    epoch = Epoch(3, 0.001, scores, Scores(0.7, 0.5, 0.5, 0.0), 2.5, 0.5, 40.0)
    stored = EpochRecord.model_validate(epoch.to_dict()).model_dump_json()
    assert '"loss":NaN' in stored
    read = EpochRecord.model_validate_json(stored)
    assert read.epoch == 3
    assert read.train.loss is not None
    assert math.isnan(read.train.loss)
    assert read.train.kappa is None
    assert read.validation == PassScores(loss=0.7, accuracy=0.5, balanced_accuracy=0.5, kappa=0.0)
    assert (read.lr, read.train_seconds, read.validation_seconds, read.images_per_second) == (0.001, 2.5, 0.5, 40.0)
