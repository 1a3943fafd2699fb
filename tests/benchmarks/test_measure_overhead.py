"""What the harness adds to a cell, and how it grows with the number of cells: their children import no torch."""

from __future__ import annotations

import importlib.util
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, stdev
from typing import Any

import psutil
import pytest

from bench.execution import local
from bench.measure.memory import MemoryWatch
from bench.results.run import load_results
from bench.results.table import to_frame
from bench.runner.events import CellDone, Event
from bench.runner.study import run_study
from bench.study.schema import Study

ALLOWED_SECONDS = 0.3
"""Of the harness for each cell, on two cores."""


def _trivial_child() -> tuple[str, ...]:
    path = Path(__file__).parent.parent / "bench" / "conftest.py"
    spec = importlib.util.spec_from_file_location("fast_cells", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    child: tuple[str, ...] = module.trivial_child()
    return child


class _Log:
    """When each cell was done, what its child took, and this process's memory then."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.children: list[float] = []
        self.rss: list[float] = []
        self._me = psutil.Process()

    def __call__(self, event: Event) -> None:
        if isinstance(event, CellDone):
            self.times.append(time.perf_counter())
            self.children.append(event.result.timings.total_seconds or 0.0)
            self.rss.append(self._me.memory_info().rss / 2**20)


def _study(cells: int) -> Study:
    keys: dict[str, Any] = {
        "name": "trivial",
        "dataset": {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2},
        "models": [{"name": "resnet18", "weights": "none"}],
        "regimes": ["scratch"],
        "seeds": list(range(cells)),
        "train": {"epochs": 1},
    }
    return Study.model_validate(keys)


@pytest.mark.parametrize("cells", [60, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_the_harness_adds_little_to_a_cell_and_grows_linearly(
    cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local, "CHILD", _trivial_child())
    log = _Log()
    run = run_study(_study(cells), out=tmp_path / "r", on_event=log)
    whole = (log.times[-1] - log.times[0]) / (cells - 1)
    added = whole - sum(log.children[1:]) / (cells - 1)
    middle = cells // 2
    ratio = (log.times[-1] - log.times[middle]) / (log.times[middle] - log.times[0]) * middle / (cells - 1 - middle)
    growth = (log.rss[-1] - log.rss[cells // 10]) / (0.9 * cells) * 1024
    begun = time.perf_counter()
    frame = to_frame(load_results(run.path).results())
    reading = time.perf_counter() - begun
    begun = time.perf_counter()
    again = _Log()
    run_study(_study(cells), out=tmp_path / "r", on_event=again)
    resuming = time.perf_counter() - begun
    with capsys.disabled():
        print(
            f"\n{cells} trivial cells: {whole * 1000:.0f} ms a cell, {added * 1000:.1f} ms of it the harness; second "
            f"half / first half {ratio:.2f}; memory {log.rss[-1]:.0f} MiB, {growth:.1f} KiB more a cell; reading all "
            f"results {reading:.2f} s; a second run that finds all done {resuming:.2f} s"
        )
    assert (frame["status"] == "ok").all()
    assert again.times == []
    assert added < ALLOWED_SECONDS
    assert ratio < 2
    assert growth < 100


def test_watching_costs_under_a_hundredth_of_a_core(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own account: ten polls a second of processes with 400 MiB, for five seconds."""
    held = bytearray(b"x") * (400 << 20)
    watch = MemoryWatch(lambda: [os.getpid()])
    begun, used = time.perf_counter(), time.thread_time()
    while time.perf_counter() - begun < 5:
        watch.sample("train")
        time.sleep(0.1)
    share = (time.thread_time() - used) / (time.perf_counter() - begun)
    with capsys.disabled():
        print(f"\nwatching {len(held) >> 20} MiB: {share:.3%} of a core, {watch.samples} samples")
    assert share < 0.01


def test_timing_the_parts_of_a_step_costs_under_a_hundredth_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The clock's own cost beside the shortest step that trains a network, ResNet-18 on eight images of 32 pixels."""
    import torch

    from bench.measure.step_timer import PARTS, StepTimer
    from models_zoo.networks.builder import build

    timer, steps = StepTimer(lambda: None), 20_000
    begun = time.process_time()
    for _ in range(steps):
        timer.begin(1, 0)
        for part in PARTS:
            timer.end(part)
    cost = (time.process_time() - begun) / steps
    torch.set_num_threads(1)
    module, images = build("resnet18", num_classes=8, image_size=32).module.train(), torch.randn(8, 3, 32, 32)
    module(images).sum().backward()
    begun = time.process_time()
    for _ in range(20):
        module(images).sum().backward()
    step = (time.process_time() - begun) / 20
    with capsys.disabled():
        print(f"\ntiming a step's parts: {cost * 1e6:.1f} us of a step of {step * 1e3:.1f} ms, {cost / step:.4%}")
    assert cost / step < 0.01


TRAINING = """
import sys, time
import torch
from bench.measure.step_timer import PARTS, StepTimer
from models_zoo.networks.builder import build
torch.set_num_threads(1)
module = build("resnet18", num_classes=8, image_size=32).module.train()
images, labels = torch.randn(16, 3, 32, 32), torch.arange(16) % 8
optimizer = torch.optim.AdamW(module.parameters())
def epoch(every):
    timer = StepTimer(lambda: None, every=every)
    begun = time.process_time()
    for step in range(1, 21):
        timer.begin(1, step)
        timer.end("data")
        loss = torch.nn.functional.cross_entropy(module(images), labels)
        timer.end("forward")
        loss.backward()
        timer.end("backward")
        optimizer.step()
        optimizer.zero_grad()
        timer.end("optimizer")
    return time.process_time() - begun
epoch(1)
print("ready", flush=True)
for line in sys.stdin:
    print(epoch(1 if line == "on\\n" else 1000), flush=True)
"""
ROUNDS = 40


def test_measuring_costs_under_a_hundredth_of_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    """Epochs with everything measured and with nothing measured take turns in one training process.

    On: every step timed in its parts, and the process watched ten times a second from outside. CPU seconds are
    compared, of the training and of the watch together: a busy machine does not change them much.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", TRAINING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        watch = MemoryWatch(lambda: [child.pid])
        ratios = [_on_to_off(child, watch, turned=bool(number % 2)) for number in range(ROUNDS)]
    finally:
        child.kill()
        child.communicate()
    ratio = median(ratios)
    noise = 2 * 1.25 * stdev(ratios) / ROUNDS**0.5  # two standard errors of the median
    with capsys.disabled():
        print(f"\ntraining measured / not measured: {ratio:.4f} ± {noise:.4f} ({ROUNDS} pairs of epochs)")
    assert ratio < 1.01 + noise


def _on_to_off(child: subprocess.Popen[str], watch: MemoryWatch, *, turned: bool) -> float:
    if turned:
        plain = _epoch(child, None)
        return _epoch(child, watch) / plain
    return _epoch(child, watch) / _epoch(child, None)


def _epoch(child: subprocess.Popen[str], watch: MemoryWatch | None) -> float:
    """CPU seconds of an epoch, those of the watch included."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("off\n" if watch is None else "on\n")
    before = 0.0
    if watch is not None:
        before, watch._last = watch.spent, time.monotonic()  # nothing is saved up while it does not watch
    while watch is not None and not select.select([child.stdout], [], [], 0.1)[0]:
        watch.sample("train")
    return float(child.stdout.readline()) + (0.0 if watch is None else watch.spent - before)
