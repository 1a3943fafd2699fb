"""compile: true trains to the same numbers within rounding, and its time stands apart."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest
import torch

from bench.study.train import TrainSpec
from bench.training.loop import TrainContext, fit
from bench.training.predict import predict
from bench.training.warmup import warm_up
from tests.bench.training.fixtures import Images, MakeModel

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_model_learns_the_same(images: Images, small: MakeModel, context: TrainContext) -> None:
    plain = small("vit_tiny_p16").module
    compiled = copy.deepcopy(plain)
    spec = TrainSpec(epochs=1, batch_size=16, compile=True)
    compiled.backbone.compile()
    train, validation = images.batches(0, 40), images.batches(72, 96)
    reported: list[str] = []
    made = warm_up(
        compiled,
        train,
        spec,
        device=CPU,
        precision="fp32",
        learns=True,
        inference_batch=32,
        compiled=lambda: reported.append("compiled"),
    )
    seconds = made.compiling
    assert reported == ["compiled"]
    found = fit(compiled, train, validation, spec, context)
    expected = fit(plain, train, validation, spec, context)
    assert seconds > 1
    assert seconds > found.history[0].train_seconds  # nothing is compiled in an epoch any more
    assert found.history[0].train.loss == pytest.approx(expected.history[0].train.loss, abs=1e-3)
    one, other = (predict(module, validation, np.arange(24), 32, CPU, "fp32") for module in (plain, compiled))
    assert np.allclose(one, other, atol=1e-2)
    assert list(compiled.state_dict()) == list(plain.state_dict())
