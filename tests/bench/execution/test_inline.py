"""Cells in this process: for a debugger, and marked as such."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.execution.executor import EXECUTORS, CellInterrupted
from bench.execution.inline import InlineExecutor
from bench.results.notice import Notice
from bench.results.run import Run
from bench.results.schema import CellResult, Memory, Status, Timings
from bench.runner.events import CellProgress, Event
from bench.runner.study import run_study
from bench.study.schema import Study

MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.fc = nn.Linear(48, num_classes)
    def forward(self, images):
        {line}
        return self.fc(self.pool(images).flatten(1))

def net(num_classes):
    return Net(num_classes)
"""

WHY = Notice.of("not_isolated")


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG"):  # what a cell sets is put back
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def _study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str = "pass", **keys: object) -> Study:
    """A study of a user's own model, whose forward pass begins with a line."""
    name = f"own_{abs(hash((line, str(tmp_path))))}"
    (tmp_path / f"{name}.py").write_text(MODEL.format(line=line))
    monkeypatch.syspath_prepend(str(tmp_path))
    return Study.model_validate(
        {
            "name": "inline",
            "dataset": {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2},
            "models": [f"python:{name}:net"],
            "regimes": ["scratch"],
            "train": {"epochs": 1, "threads": 1},
            "measure": {"seconds": 0.1, "batch_sizes": [1, 4]},
            **keys,
        }
    )


def _only(run: Run) -> CellResult:
    (result,) = run.results()
    return result


def test_scores_are_those_of_a_process_of_its_own_and_nothing_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.model_validate(
        {
            **_study(tmp_path, monkeypatch).model_dump(mode="json"),
            "models": ["vit_tiny_p16"],
        }
    )
    run = run_study(study, out=tmp_path / "inline", executor="inline")
    here, there = _only(run), _only(run_study(study, out=tmp_path / "local"))
    assert here.status is there.status is Status.OK
    assert (here.metrics, here.confusion, here.settings) == (there.metrics, there.confusion, there.settings)
    ours, theirs = run.predictions(here.id), Run(tmp_path / "local").predictions(there.id)
    assert ours is not None
    assert theirs is not None
    assert (ours.probabilities == theirs.probabilities).all()
    assert (here.context.executor, there.context.executor) == ("inline", "local")
    assert WHY in here.context.notices
    assert WHY not in there.context.notices
    assert here.timings == Timings()
    assert here.memory == Memory(method=WHY)
    assert (here.energy.joules, here.energy.not_measured) == (None, WHY)
    assert here.inference.latency_p50_ms is None
    assert here.cost_usd is None
    assert there.timings.total_seconds is not None


def test_a_breakpoint_opens_a_debugger_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: opened.append(type(sys._getframe(1).f_locals["self"]).__name__))
    study = _study(tmp_path, monkeypatch, "breakpoint()")
    assert _only(run_study(study, out=tmp_path / "r", executor="inline")).status is Status.OK
    assert set(opened) == {"Net"}


def test_what_nobody_foresaw_is_raised_and_the_cell_stays_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = _study(tmp_path, monkeypatch, "raise ZeroDivisionError('here')")
    with pytest.raises(ZeroDivisionError, match="here"):
        run_study(study, out=tmp_path / "r", executor="inline")
    assert Run(tmp_path / "r").results() == []
    assert len(Run(tmp_path / "r").missing()) == 1


def test_a_foreseen_ending_is_a_row_as_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = _study(tmp_path, monkeypatch, devices=["xpu"])
    result = _only(run_study(absent, out=tmp_path / "absent", executor="inline"))
    assert result.status is Status.UNAVAILABLE
    wild = _study(tmp_path, monkeypatch, "images = images * torch.nan")
    result = _only(run_study(wild, out=tmp_path / "wild", executor="inline"))
    assert result.status is Status.DIVERGED


def test_ctrl_c_is_an_interrupted_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = _study(tmp_path, monkeypatch, "raise KeyboardInterrupt")
    with pytest.raises(CellInterrupted):
        run_study(study, out=tmp_path / "r", executor="inline")
    assert _only(Run(tmp_path / "r")).status is Status.INTERRUPTED


def test_a_cell_that_is_interrupted_later_keeps_count_of_its_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, CellProgress) and event.progress.finished is not None:
            raise KeyboardInterrupt

    study = _study(tmp_path, monkeypatch, train={"epochs": 3, "threads": 1})
    with pytest.raises(CellInterrupted):
        run_study(study, out=tmp_path / "r", executor="inline", on_event=stop)
    assert _only(Run(tmp_path / "r")).epochs == 1


def test_models_that_are_only_profiled_pass_through_it_untimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = {"training": False, "rounds": 3, "batch_sizes": [1], "seconds": 0.01}
    run = run_study(_study(tmp_path, monkeypatch, measure=measure), out=tmp_path / "r", executor="inline")
    (profile,) = _only(run).profiles
    assert (profile.backend, profile.batches, profile.not_measured) == ("eager", (), WHY)
    assert _only(run).rounds == ()


def test_the_registry_holds_it() -> None:
    assert EXECUTORS.load("inline") is InlineExecutor
    assert InlineExecutor.interactive
