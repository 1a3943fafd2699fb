"""Faults in real cells, which import torch and train: each is injected where it would happen, and reported as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.execution import local
from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.runner.study import run_study
from bench.study.schema import Study
from reports.text.messages import word

KILLED_IN = ("import", "data", "model", "warm-up", "train", "evaluate")

FAULT = """
import os, resource, signal, sys
from bench.execution.worker import main, progress
from bench.execution.messages.job import Job
job = Job.model_validate_json(open(sys.argv[1]).read())
real = progress.ProgressWriter.phase
def at(phase, fault):
    def reported(self, name):
        real(self, name)
        if name == phase:
            fault()
    progress.ProgressWriter.phase = reported
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
class AtImport:
    def find_spec(self, name, *rest):
        if name == "torch":
            kill()
{body}
sys.exit(main.main(sys.argv[1:]))
"""

Inject = Callable[[str], None]


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Inject:
    """Have every cell run this code before it begins; ``at(phase, fault)`` keeps a fault for later."""
    return lambda body: monkeypatch.setattr(local, "CHILD", (sys.executable, "-P", "-c", FAULT.format(body=body)))


def _study(seeds: int = 1, **train: Any) -> Study:
    return Study.model_validate(
        {
            "name": "faults",
            "dataset": {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2},
            "models": [{"name": "vit_tiny_p16", "weights": "none"}],
            "regimes": ["scratch"],
            "seeds": list(range(seeds)),
            "train": {"epochs": 1, "threads": 1, **train},
            "measure": {"inference": False},
        }
    )


def _only(run: Run) -> CellResult:
    (result,) = run.results()
    return result


def _left(folder: Path) -> list[str]:
    """Files that only a cell under way has."""
    names = ("job.json", "outcome.json", "progress.json", "probabilities.npy")
    return [path.name for path in folder.rglob("*") if path.name in names or path.name.startswith(".")]


@pytest.mark.parametrize("phases", [("import", "train"), pytest.param(KILLED_IN, marks=pytest.mark.slow)])
def test_kill_9_in_every_phase_and_then_all_again(inject: Inject, tmp_path: Path, phases: tuple[str, ...]) -> None:
    inject(
        f"phase = {phases!r}[job.cell.seed]\n"
        "sys.meta_path.insert(0, AtImport()) if phase == 'import' else at(phase, kill)"
    )
    study = _study(len(phases))
    run = run_study(study, out=tmp_path / "r")
    known, order = {}, ["import", "data", "model", "warmup", "train", "evaluate"]
    for result in run.results():
        assert result.status is Status.FAILED
        assert result.error is not None
        assert result.error.kind == "SIGKILL"
        assert result.metrics == {}
        done = [name for name in order if getattr(result.timings, f"{name}_seconds") is not None]
        known[phases[result.cell.seed]] = done
    assert known == {name: order[: KILLED_IN.index(name)] for name in phases}
    assert _left(run.path) == []
    inject("")
    run_study(_study(1), out=tmp_path / "r", retry="failed")
    assert [result.status.value for result in run.results()] == ["ok"] + ["failed"] * (len(phases) - 1)
    assert _left(run.path) == []


def test_kill_9_while_it_compiles(inject: Inject, tmp_path: Path) -> None:
    inject("at('compile', kill)")
    result = _only(run_study(_study(compile=True), out=tmp_path / "r"))
    assert result.error is not None
    assert result.error.kind == "SIGKILL"
    assert result.timings.model_seconds is not None
    assert result.timings.compile_seconds is None


def test_a_loss_that_becomes_nan(inject: Inject, tmp_path: Path) -> None:
    inject("")
    study = _study(lr=100, optimizer="sgd", clip_norm=None, warmup_epochs=0, epochs=3)
    run = run_study(study, out=tmp_path / "r")
    result = _only(run)
    assert result.status is Status.DIVERGED
    assert result.error is not None
    assert result.error.notice.code == "diverged"
    assert "try a lower train.lr" in word(result.error.notice)
    assert result.metrics == {}
    assert run.predictions(result.id) is None


def test_a_thread_that_reads_ahead_and_dies(inject: Inject, tmp_path: Path) -> None:
    """What it reads is cut short under it, in the middle of the training."""
    inject("at('train', lambda: os.truncate(job.pixels, 4000))")
    result = _only(run_study(_study(workers=2), out=tmp_path / "r", cache=tmp_path / "cache"))
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == "DataError"
    assert "was cut short while the study ran" in str(result.error.notice.values["text"])
    inject("")
    again = _only(run_study(_study(workers=2), out=tmp_path / "r", cache=tmp_path / "cache", retry="failed"))
    assert again.status is Status.OK


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit counts the address space on Linux")
def test_memory_that_torch_is_refused(inject: Inject, tmp_path: Path) -> None:
    """Nothing may be added to its address space from the training on."""
    inject(
        "def full():\n"
        "    used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (used, used))\n"
        "at('train', full)"
    )
    result = _only(run_study(_study(batch_size=32, threads=2), out=tmp_path / "r"))
    assert result.status is Status.OUT_OF_MEMORY
    assert result.timings.model_seconds is not None
