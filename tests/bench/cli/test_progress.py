from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.cli.progress import Display
from bench.execution.messages.progress import FinishedEpoch, Progress
from bench.results.notice import Notice
from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.runner.events import CellDone, CellProgress, CellStarted, Event, Planned
from bench.study.schema import Cell, Study

TRAINING = Progress(phase="train", epochs=10, epoch=2.5, loss=0.5, training_seconds=5.0)
FINISHED = FinishedEpoch(epoch=2, loss=0.75, images_per_second=1234.0, validation_accuracy=0.8125)
SECOND = TRAINING.model_copy(update={"finished": FINISHED})


@pytest.fixture
def cells() -> tuple[Cell, ...]:
    study = Study.model_validate({"name": "x", "models": ["resnet18", {"name": "vgg11", "label": "[bold]v"}]})
    return tuple(study.cells("f" * 64, "0" * 64, {}))


def _shown(terminal: bool, events: list[Event]) -> list[str]:
    """The lines that the events print; on a terminal those of the last table."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120, color_system=None, legacy_windows=False)
    with Display(console) as display:
        for event in events:
            display(event)
        if not terminal:
            return text.getvalue().splitlines()
        recorder = Console(file=io.StringIO(), width=120)
        recorder.print(display._table())
        return recorder.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def _plan(cells: tuple[Cell, ...]) -> Event:
    return Planned(cells, len(cells), Run(Path("runs/x")), ())


def _done(cell: Cell, status: Status = Status.OK, **more: Any) -> Event:
    return CellDone(cell, CellResult(id=cell.id, cell=cell, label=cell.label, status=status, **more))


def test_a_table_on_a_terminal(cells: tuple[Cell, ...]) -> None:
    first, second = cells
    ok = _done(first, metrics={"accuracy": 0.875}, epochs=10)
    lines = _shown(True, [_plan(cells), ok, CellStarted(second), CellProgress(second, SECOND)])
    assert " ".join(lines[0].split()) == "model regime device precision seed state epoch loss images/s left accuracy"
    assert lines[1].split() == ["resnet18", "finetune", "cpu", "fp32", "0", "ok", "10", "87.50%"]
    assert lines[1].index("87.50%") + len("87.50%") == len(lines[0].rstrip()), "below its own heading"
    assert " ".join(lines[2].split()) == "[bold]v finetune cpu fp32 0 train 2.5/10 0.5000 1,234 15.0 s"


def test_time_left_is_that_of_training_alone(cells: tuple[Cell, ...]) -> None:
    after = SECOND.model_copy(update={"phase": "inference", "epoch": 9.9})
    lines = _shown(True, [_plan(cells), CellStarted(cells[0]), CellProgress(cells[0], after)])
    assert lines[1].split()[5:] == ["inference", "9.9/10", "0.5000", "1,234"]


def test_a_line_for_each_event_elsewhere(cells: tuple[Cell, ...]) -> None:
    first, second = cells
    lines = _shown(
        False,
        [
            _plan(cells),
            CellStarted(first),
            CellProgress(first, TRAINING),
            CellProgress(first, SECOND),
            CellProgress(first, SECOND.model_copy(update={"epoch": 2.6})),
            _done(first, metrics={"accuracy": 0.875}, timings={"total_seconds": 65.4}),
            _done(second, Status.TIMEOUT, error={"kind": "timeout", "notice": Notice.of("time_limit", seconds=5.0)}),
        ],
    )
    title = "resnet18 · finetune · cpu · fp32 · seed 0"
    assert lines == [
        "runs/x: 2 cells, 0 done before, 2 to run",
        f"[1/2] {title}: started",
        f"[1/2] {title}: epoch 2/10, loss 0.7500, validation accuracy 81.25%, 1,234 images/s, 15.0 s left",
        f"[1/2] {title}: ok, accuracy 87.50%, 1 min 05 s",
        "[2/2] [bold]v · finetune · cpu · fp32 · seed 0: timeout: not done after the study's time_limit of 5 s",
    ]


def test_what_a_reader_has_to_know_of_a_cell_is_a_line_of_its_own(cells: tuple[Cell, ...]) -> None:
    lost = Notice.of("model_not_stored", reason="No space left on device")
    done = _done(cells[0], metrics={"accuracy": 0.875}, context={"notices": [lost]})
    expected = "the weights could not be stored: No space left on device"
    for terminal in (False, True):
        text = io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=200, color_system=None, legacy_windows=False)
        with Display(console) as display:
            for event in (_plan(cells), CellStarted(cells[0]), done):
                display(event)
        assert text.getvalue().count(expected) == 1


def test_nothing_is_displayed_over_a_debugger(cells: tuple[Cell, ...]) -> None:
    text = io.StringIO()
    with Display(Console(file=text, force_terminal=True, width=120, color_system=None), live=False) as display:
        for event in (_plan(cells), CellStarted(cells[0])):
            display(event)
    assert text.getvalue().splitlines()[-1] == "[1/2] resnet18 · finetune · cpu · fp32 · seed 0: started"
