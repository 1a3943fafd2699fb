"""Cells whose child is a small script: a fault is injected in milliseconds and not behind an import of torch."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.execution.local import LocalExecutor
from bench.execution.messages.job import Job
from bench.execution.messages.progress import Progress
from bench.results.schema import CellResult
from bench.study.schema import Budget, Cell, ModelEntry
from bench.study.train import TrainSpec

PREAMBLE = """
import json, os, signal, subprocess, sys, time
job = json.load(open(sys.argv[1]))
folder = job["folder"]
def write_outcome(**outcome):
    with open(folder + "/outcome.json", "w") as file:
        json.dump({"status": "ok", **outcome}, file)
def failure(kind, text):
    return {"kind": kind, "notice": {"code": "verbatim", "values": {"text": text}}}
def progress(**facts):
    with open(folder + "/p.tmp", "w") as file:
        json.dump(facts, file)
    os.replace(folder + "/p.tmp", folder + "/progress.json")
"""

RunScript = Callable[..., CellResult]


def child_of(script: str) -> tuple[str, ...]:
    """A child's command line that runs a script with job, folder, write_outcome(), failure() and progress()."""
    return (sys.executable, "-I", "-S", "-c", PREAMBLE + textwrap.dedent(script))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    cell = Cell(
        model=ModelEntry(name="resnet18", weights="none", image_size=32),
        regime="scratch",
        device="cpu",
        precision="fp32",
        seed=0,
        train=TrainSpec(epochs=1),
        fingerprint="f" * 64,
        split_hash="s" * 64,
    )
    folder = tmp_path / "cells" / cell.id
    return Job(cell=cell, folder=folder, dataset=tmp_path, pixels=tmp_path, weights="none")


@pytest.fixture
def run_script(job: Job) -> RunScript:
    def run(script: str, reported: list[Progress] | None = None, **budget: Any) -> CellResult:
        found = [] if reported is None else reported
        return LocalExecutor(child_of(script)).run(job, Budget(**budget), on_progress=found.append)

    return run
