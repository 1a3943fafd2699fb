"""Images per second of training: the harness's step beside the reference's loop, and inference beside matmul's limit.

Each contender has a process of its own, as in use; they take turns. Figures are images per second of wall-clock time,
medians over the rounds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.measure.system.process_env import HUGE_PAGES
from bench.study.train import TrainSpec
from bench.training.device import inference_batch_for
from bench.training.heads.features import HalfPrecisionBackbone
from models_zoo.complexity import count_flops
from models_zoo.networks.builder import build

CPU = torch.device("cpu")
BATCH, SIDE, ROUNDS = 32, 224, 3
WORKER = Path(__file__).with_name("rate_worker.py")
PAIRS = [
    ("vit_base_p32", "vit_base_patch32_224"),
    ("resnet18", "resnet18"),
    ("resnet50", "resnet50"),
]


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pixels") / "pixels.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, size=(BATCH, SIDE, SIDE, 3), dtype=np.uint8))
    return path


class Contender:
    """A worker that makes one step when it is asked to, and then sleeps."""

    def __init__(self, kind: str, name: str, precision: str, pixels: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), kind, name, precision, str(pixels)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # The harness's children run with these, a notebook without.
            env={**HUGE_PAGES, **os.environ} if kind == "harness" else None,
        )

    def step(self) -> float:
        """Seconds of one step."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """Let it go."""
        self._process.communicate()
        assert self._process.returncode == 0


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@pytest.mark.slow
@pytest.mark.parametrize(("name", "timm_name"), PAIRS)
def test_steps_are_as_fast_as_the_machine_allows(
    name: str,
    timm_name: str,
    pixels: Path,
    expect: Callable[[bool], None],
    has_bf16: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    contenders = {
        "fp32": Contender("harness", name, "fp32", pixels),
        "bf16": Contender("harness", name, "bf16", pixels),
        "plain": Contender("plain", timm_name, "fp32", pixels),
    }
    for contender in contenders.values():
        contender.step()
    rounds = [{key: contender.step() for key, contender in contenders.items()} for _ in range(ROUNDS)]
    for contender in contenders.values():
        contender.end()
    rate = {key: BATCH / statistics.median(r[key] for r in rounds) for key in contenders}
    ratios = {key: statistics.median(r["plain"] / r[key] for r in rounds) for key in ("fp32", "bf16")}
    with capsys.disabled():
        shown = ", ".join(f"{key} {value:.1f}" for key, value in rate.items())
        print(f"\n{name}: images/s {shown}; times the plain loop: fp32 {ratios['fp32']:.2f}, bf16 {ratios['bf16']:.2f}")
    noise = 0.95  # of the few rounds
    expect(ratios["fp32"] > noise and (not has_bf16 or ratios["bf16"] > 2.5 * noise))


@pytest.mark.slow
def test_bf16_inference_reaches_half_of_the_matmul_rate(
    expect: Callable[[bool], None], has_bf16: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if not has_bf16:
        pytest.skip("this CPU has no bf16 instructions")
    module = build("vit_base_p32", num_classes=8, image_size=SIDE).module.eval()
    flops = count_flops(module, SIDE).flops
    backbone = HalfPrecisionBackbone(module.backbone, torch.bfloat16)
    images = torch.randn(inference_batch_for(CPU, TrainSpec(), SIDE), 3, SIDE, SIDE)
    left, right = (torch.randn(4096, 4096, dtype=torch.bfloat16) for _ in range(2))
    with torch.inference_mode():
        backbone(images), left @ right
        pairs = [(_seconds(lambda: backbone(images)), _seconds(lambda: left @ right)) for _ in range(7)]
    reached = statistics.median(len(images) * flops / one for one, _ in pairs) / 1e9
    limit = statistics.median(2 * 4096**3 / other for _, other in pairs) / 1e9
    with capsys.disabled():
        print(f"\nvit_base_p32 bf16: {reached:,.0f} GFLOP/s of the {limit:,.0f} that matmul reaches")
    expect(reached > limit / 2)
