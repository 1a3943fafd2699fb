"""What the harness adds to an epoch: its loop beside a bare PyTorch loop with the same model, data and settings.

Both train the same weights with the same optimizer and score their epoch, the harness from its pixel file, the bare
loop on tensors that lie in memory ready-made. They take turns within one process, on one thread, and CPU seconds
are compared: on one thread these are what an idle machine would show, and a busy machine does not change them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench.study.train import TrainSpec
from bench.training.inputs.batches import PixelBatches
from bench.training.inputs.pixel_file import PixelFile
from bench.training.loop import TrainContext, fit, silent
from models_zoo.networks.builder import build

CPU = torch.device("cpu")
SIDE, IMAGES, BATCH, CLASSES = 64, 128, 32, 8
ROUNDS = 5


def _pixels(folder: Path) -> tuple[Path, np.ndarray]:
    draw = np.random.default_rng(0)
    path = folder / "pixels.npy"
    np.save(path, draw.integers(0, 256, size=(2 * IMAGES, SIDE, SIDE, 3), dtype=np.uint8))
    return path, draw.integers(0, CLASSES, 2 * IMAGES)


def _harness(name: str, path: Path, labels: np.ndarray) -> Callable[[], float]:
    """Returns the seconds of an epoch's training and validation by the harness's loop."""
    module = build(name, num_classes=CLASSES, image_size=SIDE).module
    spec = TrainSpec(epochs=1, batch_size=BATCH)
    context = TrainContext(CLASSES, CPU, "fp32", 0, BATCH)
    splits = [np.arange(IMAGES), np.arange(IMAGES, 2 * IMAGES)]
    train, validation = (
        PixelBatches(PixelFile(path), rows, labels[rows], mean=(0.5,) * 3, std=(0.25,) * 3, device=CPU)
        for rows in splits
    )

    def epoch() -> float:
        started = time.process_time()
        fit(module, train, validation, spec, context, silent)
        return time.process_time() - started

    return epoch


def _bare(name: str, path: Path, labels: np.ndarray) -> Callable[[], float]:
    """The same by a loop as one writes it, on normalized tensors that lie in memory."""
    module = build(name, num_classes=CLASSES, image_size=SIDE).module
    images = torch.from_numpy(np.load(path)).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.25).contiguous()
    targets = torch.from_numpy(labels)
    train = DataLoader(TensorDataset(images[:IMAGES], targets[:IMAGES]), BATCH, shuffle=True)
    validation = DataLoader(TensorDataset(images[IMAGES:], targets[IMAGES:]), BATCH)

    def epoch() -> float:
        started = time.process_time()
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
        module.train()
        predicted, shown = [], []
        for inputs, wanted in train:
            optimizer.zero_grad()
            logits = module(inputs)
            loss = nn.functional.cross_entropy(logits, wanted)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            predicted.append(logits.argmax(1))
            shown.append(wanted)
        _scores(predicted, shown)
        module.eval()
        predicted, shown = [], []
        with torch.inference_mode():
            for inputs, wanted in validation:
                predicted.append(module(inputs).argmax(1))
                shown.append(wanted)
        _scores(predicted, shown)
        return time.process_time() - started

    return epoch


def _scores(predicted: list[torch.Tensor], shown: list[torch.Tensor]) -> None:
    pair = torch.cat(shown), torch.cat(predicted)
    accuracy_score(*pair), balanced_accuracy_score(*pair), cohen_kappa_score(*pair)


@pytest.mark.parametrize("name", ["vit_tiny_p8", "resnet18"])
def test_the_harness_adds_at_most_2_percent(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    path, labels = _pixels(tmp_path)
    harness, bare = _harness(name, path, labels), _bare(name, path, labels)
    harness(), bare()
    ratios = [_ratio(harness, bare, turned=bool(number % 2)) for number in range(ROUNDS)]
    with capsys.disabled():
        print(f"\n{name}: harness / bare loop {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    assert statistics.median(ratios) < 1.02 + _noise(ratios)


def _ratio(harness: Callable[[], float], bare: Callable[[], float], *, turned: bool) -> float:
    if turned:
        plain = bare()
        return harness() / plain
    ours = harness()
    return ours / bare()


def _noise(ratios: list[float]) -> float:
    """Two standard errors of the median, from the spread of the rounds (1.25 sigma / sqrt n for a normal)."""
    return 2 * 1.25 * statistics.stdev(ratios) / math.sqrt(len(ratios))
