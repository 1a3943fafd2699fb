from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.cli.progress import Display, duration
from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.runner.events import Event
from bench.study.schema import Cell, Study

TRAINING = {"phase": "train", "epochs": 10, "epoch": 2.5, "loss": 0.5, "training_seconds": 5.0}
SECOND = {"finished": 2, "finished_loss": 0.75, "images_per_second": 1234.0, "validation_accuracy": 0.8125}


@pytest.fixture
def cells() -> tuple[Cell, ...]:
    study = Study.model_validate({"name": "x", "models": ["resnet18", {"name": "vgg11", "label": "[bold]v"}]})
    return tuple(study.cells("f" * 64, "0" * 64, {}))


def _shown(terminal: bool, events: list[Event]) -> list[str]:
    """The lines that the events leave; on a terminal those of the last table."""
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
    facts: dict[str, Any] = {"cells": cells, "pending": len(cells), "run": Run(Path("runs/x")), "warnings": ()}
    return Event("plan", facts=facts)


def _done(cell: Cell, status: Status = Status.OK, **more: Any) -> Event:
    result = CellResult(id=cell.id, cell=cell.model_dump(mode="json"), label=cell.label, status=status, **more)
    return Event("done", cell=cell, result=result)


def test_a_table_on_a_terminal(cells: tuple[Cell, ...]) -> None:
    first, second = cells
    ok = _done(first, metrics={"accuracy": 0.875}, epochs=10)
    lines = _shown(True, [_plan(cells), ok, Event("start", second), Event("tick", second, facts=TRAINING | SECOND)])
    assert " ".join(lines[0].split()) == "model regime device precision seed state epoch loss images/s left accuracy"
    assert lines[1].split() == ["resnet18", "finetune", "cpu", "fp32", "0", "ok", "10", "87.50%"]
    assert lines[1].index("87.50%") + len("87.50%") == len(lines[0].rstrip()), "below its own heading"
    assert " ".join(lines[2].split()) == "[bold]v finetune cpu fp32 0 train 2.5/10 0.5000 1,234 15.0 s"


def test_time_left_is_told_of_training_alone(cells: tuple[Cell, ...]) -> None:
    after = Event("tick", cells[0], facts=TRAINING | SECOND | {"phase": "inference", "epoch": 9.9})
    lines = _shown(True, [_plan(cells), Event("start", cells[0]), after])
    assert lines[1].split()[5:] == ["inference", "9.9/10", "0.5000", "1,234"]


def test_a_line_for_each_event_elsewhere(cells: tuple[Cell, ...]) -> None:
    first, second = cells
    lines = _shown(
        False,
        [
            _plan(cells),
            Event("start", first),
            Event("tick", first, facts=TRAINING),
            Event("tick", first, facts=TRAINING | SECOND),
            Event("tick", first, facts=TRAINING | SECOND | {"epoch": 2.6}),
            _done(first, metrics={"accuracy": 0.875}, timings={"total_seconds": 65.4}),
            _done(second, Status.TIMEOUT, error={"kind": "time limit", "message": "took more than 5 s"}),
        ],
    )
    title = "resnet18 · finetune · cpu · fp32 · seed 0"
    assert lines == [
        "runs/x: 2 cells, 0 done before, 2 to run",
        f"[1/2] {title}: started",
        f"[1/2] {title}: epoch 2/10, loss 0.7500, validation accuracy 81.25%, 1,234 images/s, 15.0 s left",
        f"[1/2] {title}: ok, accuracy 87.50%, 1 min 05 s",
        "[2/2] [bold]v · finetune · cpu · fp32 · seed 0: timeout: took more than 5 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.85, "850 ms"), (12.34, "12.3 s"), (245, "4 min 05 s"), (7620, "2 h 07 min")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
