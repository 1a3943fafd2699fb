"""A training that is killed resumes from its last epoch and ends with the same numbers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.study.train import TrainSpec
from bench.training.checkpoint import Checkpoint
from bench.training.loop import Epoch, TrainCallbacks, TrainContext, fit, silent
from bench.training.predict import predict
from models_zoo.networks.builder import BuiltModel
from tests.bench.training.fixtures import Images

CPU = torch.device("cpu")


class Killed(Exception):  # noqa: N818
    """Stands for a kill: nothing after it runs."""


def _kill_at(epoch: int) -> TrainCallbacks:
    def step(number: int, done: int, count: int, loss: float) -> None:
        if number == epoch and done > count / 2:
            raise Killed

    return TrainCallbacks(silent.on_epoch, step)


EVERYTHING = {"ema": 0.9, "balance": "sampling", "mixup": 0.2, "cutmix": 0.5, "augment": "full", "micro_batch": 8}


@pytest.mark.parametrize("extra", [{}, {"optimizer": "sgd", "patience": 2}, EVERYTHING], ids=["plain", "sgd", "all"])
def test_it_ends_with_the_same_numbers(
    images: Images, model: BuiltModel, context: TrainContext, tmp_path: Path, extra: dict[str, Any]
) -> None:
    spec = TrainSpec(epochs=5, batch_size=16, lr=1e-3, **extra)
    batches = images.batches(0, 48, augmentation=spec.augment), images.batches(72, 96)
    whole, killed, resumed = model.module, copy.deepcopy(model.module), copy.deepcopy(model.module)
    expected = fit(whole, *batches, spec, context)
    if len(expected.history) < 3:
        pytest.fail("the case stops before it is killed")

    with pytest.raises(Killed):
        fit(killed, *batches, spec, context, _kill_at(3), Checkpoint(tmp_path / "checkpoint.pt", "k", 0))
    reported: list[Epoch] = []
    found = fit(resumed, *batches, spec, context, TrainCallbacks(reported.append, silent.on_progress), _again(tmp_path))

    assert found.resumed_after == 2
    assert np.array_equal(found.steps[:, 0], expected.steps[:, 0]), "the steps before the kill are there too"
    assert found.best_epoch == expected.best_epoch
    assert [(e.epoch, e.lr, e.train, e.validation) for e in reported] == [
        (e.epoch, e.lr, e.train, e.validation) for e in expected.history
    ]
    one, other = (predict(m, images.batches(48, 72), np.arange(24), 32, CPU, "fp32") for m in (whole, resumed))
    assert np.array_equal(one, other)
    assert np.array_equal(found.validation_logits, expected.validation_logits)


def _again(folder: Path) -> Checkpoint:
    return Checkpoint(folder / "checkpoint.pt", "k", 0)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    _again(tmp_path).save({"a": torch.arange(3), "b": [1, "x", None]})
    held = _again(tmp_path).load()
    assert held is not None
    assert held["a"].tolist() == [0, 1, 2]
    assert held["b"] == [1, "x", None]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_nothing_saved(tmp_path: Path) -> None:
    assert _again(tmp_path).load() is None


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_damaged_file_is_left_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str], share: float) -> None:
    _again(tmp_path).save({"a": torch.arange(300)})
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert _again(tmp_path).load() is None
    assert "begins anew" in capsys.readouterr().out


def test_a_file_that_would_run_code_is_left_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"form": 1, "key": "k", "spent": 0.0, "state": Killed("not only tensors")}, tmp_path / "checkpoint.pt")
    assert _again(tmp_path).load() is None
    assert "begins anew" in capsys.readouterr().out


def test_another_training_is_left_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _again(tmp_path).save({"a": 1})
    assert Checkpoint(tmp_path / "checkpoint.pt", "other", 0).load() is None
    assert "another training" in capsys.readouterr().out


def test_time_before_the_kill_counts(tmp_path: Path) -> None:
    first = _again(tmp_path)
    first._begun -= 100
    first.save({})
    second = _again(tmp_path)
    assert second.earlier == 0
    second.load()
    assert 100 <= second.earlier <= second.spent < 1000


def test_it_is_not_due_at_once(tmp_path: Path) -> None:
    assert _again(tmp_path).due()
    late = Checkpoint(tmp_path / "checkpoint.pt", "k", 1000)
    assert not late.due()
    late._last -= 1001
    assert late.due()
    late.save({})
    assert not late.due()
