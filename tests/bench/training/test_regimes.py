"""The regime frozen: cached features give what the slow way gives, and the backbone stands still."""

from __future__ import annotations

import copy
import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import RunError
from bench.study.schema import Cell, ModelEntry, Precision, Regime
from bench.study.train import TrainSpec
from bench.training.heads.features import allocate_features, extract
from bench.training.heads.plan import Plan
from bench.training.inputs.batches import FeatureBatches
from bench.training.loop import TrainContext, TrainResult, fit
from bench.training.predict import predict
from bench.training.regimes import freeze, plan
from models_zoo.networks.builder import BuiltModel
from models_zoo.networks.classifier import Classifier
from tests.bench.training.fixtures import Images

CPU = torch.device("cpu")


def _cell(spec: TrainSpec, regime: Regime = "frozen", precision: Precision = "fp32") -> Cell:
    return Cell(
        model=ModelEntry(name="vit_tiny_p16", weights="none", image_size=32),
        regime=regime,
        precision=precision,
        device="cpu",
        seed=0,
        train=spec,
        fingerprint="f",
        split_hash="s",
    )


def _plan(module: Classifier, images: Images, cell: Cell, folder: Path) -> Plan:
    freeze(cell, module)
    train = images.batches(0, 60, augmentation=cell.train.augment)
    return plan(cell, module, train, images.batches(60, 80), device=CPU, inference_batch=7, folder=folder)


def _run(
    module: Classifier, images: Images, cell: Cell, context: TrainContext, folder: Path
) -> tuple[Plan, TrainResult, np.ndarray]:
    found = _plan(module, images, cell, folder)
    fitted = fit(found.learner, found.train, found.validation, cell.train, context)
    test = images.batches(80, 96)
    return found, fitted, predict(module, test, np.arange(16), 32, CPU, "fp32")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cached_features_give_what_the_slow_way_gives(
    images: Images, model: BuiltModel, context: TrainContext, tmp_path: Path, precision: Precision
) -> None:
    spec = TrainSpec(epochs=5, batch_size=16, lr=3e-3)
    slow_spec = spec.model_copy(update={"cache_features": False})
    slow_module = copy.deepcopy(model.module)
    fast = _run(model.module, images, _cell(spec, precision=precision), context, tmp_path)
    slow = _run(slow_module, images, _cell(slow_spec, precision=precision), context, tmp_path)
    assert (fast[0].settings.cached_features, slow[0].settings.cached_features) == (True, False)
    tolerance = 1e-4 if precision == "fp32" else 2e-2
    assert np.allclose(fast[2], slow[2], atol=tolerance, rtol=tolerance)
    for one, other in zip(fast[1].history, slow[1].history, strict=True):
        assert one.train.loss == pytest.approx(other.train.loss, rel=tolerance)
        assert one.validation.loss == pytest.approx(other.validation.loss, rel=tolerance)
        assert one.lr == other.lr


@pytest.mark.parametrize("cached", [True, False])
def test_a_frozen_backbone_stands_still(
    images: Images, model: BuiltModel, context: TrainContext, tmp_path: Path, cached: bool
) -> None:
    before = copy.deepcopy(model.module.backbone.state_dict())
    head = model.module.head.weight.detach().clone()
    spec = TrainSpec(epochs=2, batch_size=16, cache_features=cached, augment="light")
    _run(model.module, images, _cell(spec), context, tmp_path)
    after = model.module.backbone.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())  # batch statistics too
    assert not torch.equal(head, model.module.head.weight)


def test_other_regimes_train_the_whole_model(images: Images, model: BuiltModel, tmp_path: Path) -> None:
    found = _plan(model.module, images, _cell(TrainSpec(), "finetune", "bf16"), tmp_path)
    assert found.learner is model.module
    assert all(p.requires_grad for p in model.module.parameters())


def test_mixing_images_turns_the_cache_off(images: Images, model: BuiltModel, tmp_path: Path) -> None:
    assert _plan(model.module, images, _cell(TrainSpec(mixup=0.2)), tmp_path).settings.cached_features is False


def test_views_are_the_image_and_augmented_copies(images: Images, model: BuiltModel, tmp_path: Path) -> None:
    spec = TrainSpec(augment="light", views=3)
    found = _plan(model.module, images, _cell(spec), tmp_path)
    plain = _plan(model.module, images, _cell(TrainSpec()), tmp_path)
    assert isinstance(found.train, FeatureBatches)
    assert isinstance(plain.train, FeatureBatches)
    views = found.train.features
    assert views.shape[:2] == (3, 60)
    assert torch.equal(views[0], plain.train.features[0])
    assert not torch.allclose(views[0], views[1])
    assert not torch.allclose(views[1], views[2])


def test_one_augmented_view_is_augmented(images: Images, model: BuiltModel, tmp_path: Path) -> None:
    augmented = _plan(model.module, images, _cell(TrainSpec(augment="light")), tmp_path).train
    plain = _plan(model.module, images, _cell(TrainSpec()), tmp_path).train
    assert isinstance(augmented, FeatureBatches)
    assert isinstance(plain, FeatureBatches)
    assert not torch.allclose(augmented.features, plain.features)


def test_the_batch_of_the_feature_pass_does_not_matter(images: Images, model: BuiltModel) -> None:
    model.module.eval()
    out = [torch.empty(20, model.num_features) for _ in range(2)]
    for size, features in zip((3, 20), out, strict=True):
        extract(model.module.backbone, images.batches(0, 20), size, None, features)
    assert torch.allclose(out[0], out[1], atol=1e-5)


def test_many_features_lie_in_a_file_that_leaves_no_trace(tmp_path: Path) -> None:
    small, where = allocate_features((2, 3), CPU, tmp_path / "f.bin")
    large, elsewhere = allocate_features((2, 300), CPU, tmp_path / "f.bin", large=100)
    assert (where, elsewhere) == ("memory", "file")
    large[1] = torch.arange(300.0)
    assert large[1, 299] == 299
    assert (small.shape, large.shape) == ((2, 3), (2, 300))
    assert list(tmp_path.iterdir()) == []


def test_features_that_find_no_room_on_the_disk_are_reported(tmp_path: Path) -> None:
    """Under a limit of the kernel, which answers as a full disk does: when the room is asked for."""
    script = (
        "import resource, sys, torch\n"
        "from pathlib import Path\n"
        "from bench.errors import RunError\n"
        "from bench.training.heads.features import allocate_features\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))\n"
        "try:\n"
        "    allocate_features((300, 1000), torch.device('cpu'), Path(sys.argv[1]), large=100)\n"
        "except RunError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "f.bin")], capture_output=True, text=True, check=True
    )
    assert "f.bin: no room for the features of the images, 1 MiB (File too large); free some" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bench.training.heads.features.reserve", full)
    with pytest.raises(RunError, match=r"1 MiB \(No space left on device\)"):
        allocate_features((300, 1000), CPU, tmp_path / "f.bin", large=100)
    assert list(tmp_path.iterdir()) == []
