"""A real cell in this process: the order in which its clocks are read and its device is waited for."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.data.prepare import pixels
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import Outcome
from bench.execution.worker import pipeline, setup
from bench.execution.worker.evaluate import keep_model
from bench.execution.worker.record import Record
from bench.execution.worker.setup import make_ready, open_machine, read_data
from bench.measure.system.cpus import Threads
from bench.results.notice import Notice
from bench.runner.preparation import prepare_study
from bench.study.schema import Study
from bench.training import device as devices
from bench.training.device import DeviceMemory


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which a cell sets for its process
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    study = Study.model_validate(
        {
            "name": "small",
            "dataset": {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2},
            "models": [{"name": "vit_tiny_p16", "weights": "none"}],
            "regimes": ["scratch"],
            "train": {"epochs": 1, "threads": 1},
            "measure": {"inference": False},
        }
    )
    prepared = prepare_study(study)
    (tmp_path / "dataset.json").write_text(prepared.manifest.to_json())
    return Job(
        cell=prepared.cells[0],
        folder=tmp_path,
        dataset=tmp_path / "dataset.json",
        pixels=pixels(prepared.manifest, study.dataset, 32),
        weights="none",
        measure=study.measure,
    )


class _Reporter:
    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def epoch(self, record: object) -> None:
        """Nobody listens."""

    def step(self, *facts: object) -> None:
        """Nobody listens."""

    def phase(self, name: str) -> None:
        self._calls.append(f"phase {name}")


def _run(job: Job, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Outcome]:
    """The calls to the device, in their order, and the outcome."""
    calls: list[str] = []
    record = Record()

    def read(_: torch.device) -> DeviceMemory:
        calls.append("read")
        return DeviceMemory(3.0, 4.0)

    monkeypatch.setattr(devices, "reset_peak", lambda _: calls.append("reset"))
    monkeypatch.setattr(devices, "memory_peak", read)
    monkeypatch.setattr(devices, "synchronize", lambda _: calls.append("wait"))
    pipeline.run(job, Threads(1, "study"), record, _Reporter(calls))
    return calls, record.outcome


def test_the_peak_is_reset_before_the_model_and_read_once_the_device_is_done(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, outcome = _run(job, monkeypatch)
    assert calls == [
        *("reset", "phase data", "wait", "phase model", "wait", "phase warm-up", "wait"),
        *("phase train", "wait", "phase evaluate", "wait", "read"),
    ]
    assert outcome.memory.peak_vram_mib == 3.0
    assert outcome.memory.reserved_vram_mib == 4.0


@pytest.mark.parametrize(("regime", "precision"), [("scratch", "bf16"), ("finetune", "bf16"), ("frozen", "fp32")])
def test_a_frozen_backbone_alone_has_a_precision_of_its_own(job: Job, regime: str, precision: str) -> None:
    job = job.model_copy(update={"cell": job.cell.model_copy(update={"regime": regime, "precision": "bf16"})})
    ready = make_ready(job, open_machine(job, Threads(1, "study")), read_data(job))
    assert ready.precision == precision


def test_every_phase_has_its_seconds_and_every_pass_of_the_warm_up(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    _, outcome = _run(job, monkeypatch)
    timings = outcome.timings
    assert all(getattr(timings, f"{name}_seconds") > 0 for name in ("data", "model", "warmup", "train", "evaluate"))
    assert len(timings.warmup_passes) >= 2
    assert timings.warmup_seconds is not None
    assert sum(timings.warmup_passes) <= timings.warmup_seconds
    assert timings.compile_seconds is None


@pytest.mark.parametrize("where", ["constructor", "forward", "nowhere"])
def test_threads_that_the_model_changes_are_recorded_and_told(
    job: Job, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def build(*args: object, **kwargs: object) -> object:
        built = real(*args, **kwargs)
        if where == "constructor":
            torch.set_num_threads(2)
        elif where == "forward":
            built.module.register_forward_pre_hook(lambda *_: torch.set_num_threads(2))
        return built

    real: Any = vars(setup)["build"]
    monkeypatch.setattr("bench.execution.worker.setup.build", build)
    _, outcome = _run(job, monkeypatch)
    assert (outcome.context.threads, outcome.context.threads_by) == (1, "study")
    if where == "nowhere":
        assert outcome.context.threads_found == (1, 1)
        assert "threads_changed" not in {notice.code for notice in outcome.context.notices}
    else:
        assert outcome.context.threads_found == (2, 2)
        assert Notice.of("threads_changed", threads=1, begin=2, end=2) in outcome.context.notices


def test_weights_for_which_there_is_no_room_are_told(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of files stands for a full disk; both ways in which a library reports one."""
    resource = pytest.importorskip("resource")
    ready = make_ready(job, open_machine(job, Threads(1, "study")), read_data(job))
    assert keep_model(ready, "linear") is None
    (job.folder / "model.safetensors").unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        lost = keep_model(ready, "linear")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert lost is not None
    assert lost.code == "model_not_stored"
    assert not [path for path in job.folder.iterdir() if "safetensors" in path.name]

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bench.execution.worker.evaluate.save_file", full)
    assert keep_model(ready, "linear") == Notice.of("model_not_stored", reason="No space left on device")
