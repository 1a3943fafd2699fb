"""Studies whose cells run in milliseconds: the child is a script that writes a result without importing torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from bench.execution import local
from bench.runner import study
from bench.study.schema import Study

TRIVIAL = """
import json, os, struct, sys, time, signal
job = json.load(open(sys.argv[1]))
folder, cell, seed = job["folder"], job["cell"], job["cell"]["seed"]
data = json.load(open(job["dataset"]))
count, classes = data["splits"].count("test"), len(data["classes"])
def failure(kind, text):
    return {"kind": kind, "notice": {"code": "verbatim", "values": {"text": text}}}
def write_outcome(count=count, classes=classes, value=None, **outcome):
    value = 1 / classes if value is None else value
    head = str({"descr": "<f4", "fortran_order": False, "shape": (count, classes)}).encode().ljust(117) + b"\\n"
    with open(folder + "/probabilities.npy", "wb") as file:
        file.write(b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(head)) + head)
        file.write(struct.pack("<f", value) * (count * classes))
    with open(folder + "/outcome.json", "w") as file:
        json.dump({"status": "ok", "metrics": {"accuracy": 1 / classes}, **outcome}, file)
"""
"""The beginning of a child's script: job, folder, seed, failure(), and write_outcome() for a whole and true result."""


def trivial_child(script: str = "write_outcome()") -> tuple[str, ...]:
    """A child's command line without torch."""
    return (sys.executable, "-I", "-S", "-c", TRIVIAL + script)


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give every cell's child this script in place of the real one, and take its weights files as they are."""
    monkeypatch.setattr(study, "check_weights", lambda *_: None)
    return lambda script: monkeypatch.setattr(local, "CHILD", trivial_child(script))


@pytest.fixture
def small_study() -> Callable[..., Study]:
    """A study of one model on 60 synthetic images; its cells differ in their seeds."""

    def build(cells: int = 3, **keys: Any) -> Study:
        return Study.model_validate(
            {
                "name": "small",
                "dataset": {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2},
                "models": [{"name": "resnet18", "weights": "none"}],
                "regimes": ["scratch"],
                "seeds": list(range(cells)),
                "train": {"epochs": 1},
                **keys,
            }
        )

    return build
