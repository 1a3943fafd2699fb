"""batch_size: auto finds one batch for all cells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import StudyError
from bench.measure.system import machine
from bench.study.schema import Cell, ModelEntry, Regime
from bench.study.train import TrainSpec
from bench.training.optim import batch_size
from bench.training.optim.batch_size import find_batch_size, highest_worthwhile
from bench.training.optim.batch_size_probe import Probe
from bench.training.optim.batch_size_worker import largest_batch
from tests.isolated_here import call_here

MIB = 2**20


def _cell(
    name: str = "vit_tiny_p16", device: str = "cpu", seed: int = 0, regime: Regime = "scratch", **train: Any
) -> Cell:
    return Cell(
        model=ModelEntry(name=name, weights="none", image_size=64),
        regime=regime,
        device=device,
        precision="fp32",
        seed=seed,
        train=TrainSpec(batch_size="auto", **train),
        fingerprint="f",
        split_hash="s",
    )


def _largest(cell: Cell, limit_mib: int, highest: int = 1024) -> int:
    probe = Probe(cell=cell, weights="none", classes=8, limit_bytes=limit_mib * MIB, highest=highest)
    return largest_batch(probe, limit_mib * MIB)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask in this process."""
    monkeypatch.setattr(batch_size, "call_isolated", call_here)


def test_more_memory_more_images() -> None:
    found = [_largest(_cell(), mib) for mib in (10, 120, 200, 400, 4000)]
    assert found == sorted(found)
    assert found[0] == 0
    assert 1 <= found[1] < found[3] < 1024
    assert found[4] == 1024


def test_a_frozen_backbone_takes_more() -> None:
    assert _largest(_cell(regime="frozen"), 200) > _largest(_cell(), 200)


def test_small_micro_batches_take_any_batch() -> None:
    assert _largest(_cell(micro_batch=4), 200) == 1024


def test_no_more_than_is_worthwhile() -> None:
    assert _largest(_cell(), 4000, highest=64) == 64
    assert [highest_worthwhile(n) for n in (1, 7, 16, 1568, 12_000, 10**7)] == [1, 1, 2, 128, 1024, 1024]


def test_the_least_of_all_cells_counts() -> None:
    cells = [(_cell("vit_tiny_p16"), "none"), (_cell("resnet18"), "none"), (_cell("resnet18", seed=1), "none")]
    found = find_batch_size(cells, classes=8, train_images=800, memory_limit=400 * MIB)
    assert len(found.largest) == 2
    assert found.batch_size == min(found.largest.values())
    assert 1 <= found.batch_size <= 64


@pytest.mark.usefixtures("here")
def test_what_a_control_group_leaves_is_the_limit_where_the_machine_has_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_room", lambda: 300 * MIB)
    cells = [(_cell(), "none")]
    confined = find_batch_size(cells, classes=8, train_images=8000, memory_limit=None)
    free = find_batch_size(cells, classes=8, train_images=8000, memory_limit=300 * MIB)
    assert confined == free
    assert confined.batch_size < highest_worthwhile(8000)


@pytest.mark.usefixtures("here")
def test_nothing_fits() -> None:
    with pytest.raises(StudyError, match="a single image does not fit"):
        find_batch_size([(_cell(), "none")], classes=8, train_images=800, memory_limit=20 * MIB)


@pytest.mark.usefixtures("here")
def test_no_device_is_here() -> None:
    with pytest.raises(StudyError, match="no device"):
        find_batch_size([(_cell(device="cuda:99"), "none")], classes=8, train_images=800, memory_limit=None)


def test_a_model_that_cannot_be_built_is_reported() -> None:
    with pytest.raises(StudyError, match=r"could not try .*write a number"):
        find_batch_size([(_cell("vit_tiny_p128"), "none")], classes=8, train_images=800, memory_limit=None)


def test_auto_is_no_number() -> None:
    with pytest.raises(StudyError, match="still auto"):
        _ = TrainSpec(batch_size="auto").step_images
    with pytest.raises(ValueError, match="batch_size"):
        TrainSpec.model_validate({"batch_size": "largest"})


def test_the_asking_process_needs_no_torch() -> None:
    code = "import sys, bench.training.optim.batch_size as b; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_the_count_is_near_what_a_step_takes(tmp_path: Path) -> None:
    """A training with the batch that was found for a limit stays below it, and is not far from it."""
    cell, limit = _cell("resnet18"), 600
    batch = _largest(cell, limit)
    code = f"""
import json, torch
from bench.measure.proc_status import high_water_mib
from bench.training.optim.optimizer import make_optimizer
from bench.study.train import TrainSpec
from models_zoo.networks.builder import build
torch.set_num_threads(1)
before = high_water_mib()
module = build("resnet18", num_classes=8, image_size=64).module
optimizer = make_optimizer(module, TrainSpec())
for _ in range(2):
    optimizer.zero_grad()
    module(torch.randn({batch}, 3, 64, 64)).sum().backward()
    optimizer.step()
print(json.dumps(high_water_mib() - before))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 0.25 * limit < json.loads(done.stdout) < 1.1 * limit
