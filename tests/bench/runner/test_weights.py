"""Weights that do not fit are found before the first cell, and what fitted is not tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.errors import ModelError
from bench.runner import weights
from bench.runner.dry_run import dry_run
from bench.runner.preparation import Prepared, prepare_study
from bench.runner.study import run_study
from bench.runner.weights import check_weights
from bench.study.schema import Study
from models_zoo.networks.builder import build

MakeStudy = Callable[..., Study]


def _frozen(make: MakeStudy, *files: Path) -> Study:
    models = [{"name": "resnet18", "weights": str(file), "label": file.name} for file in files]
    return make(1, regimes=["frozen"], models=models)


def test_what_does_not_fit_ends_the_run_before_its_first_cell(small_study: MakeStudy, tmp_path: Path) -> None:
    other, broken = tmp_path / "other.pth", tmp_path / "broken.ckpt"
    torch.save({"conv1.weight": torch.zeros(3, 3)}, other)
    broken.write_bytes(b"PK no weights")
    study = _frozen(small_study, other, broken)
    for run in (lambda: run_study(study, out=tmp_path / "run"), lambda: dry_run(study, out=tmp_path / "run")):
        with pytest.raises(ModelError) as caught:
            run()
        assert "resnet18: the weights other.pth do not fit the model" in str(caught.value)
        assert "resnet18: the weights file 'broken.ckpt' cannot be read" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_what_fits_is_tried_once(small_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "whole.pth"
    torch.save(build("resnet18", num_classes=2, image_size=32).module.backbone.state_dict(), file)
    prepared: Prepared = prepare_study(_frozen(small_study, file), cache=tmp_path / "cache")
    check_weights(prepared, tmp_path / "cache")

    def not_again(*_: object) -> None:
        raise AssertionError("tried again")

    monkeypatch.setattr(weights, "call_isolated", not_again)
    check_weights(prepared, tmp_path / "cache")
    with pytest.raises(AssertionError, match="tried again"):
        check_weights(prepared, tmp_path / "other")
