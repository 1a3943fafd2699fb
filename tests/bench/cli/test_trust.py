"""A study from elsewhere that names code of its own is not run unasked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from bench.cli.trust import require_trust
from bench.errors import StudyError
from bench.study.load import load_study

Make = Callable[[str], Path]
CODE = "name: a\nmodels: ['python:theirs.model:build']\n"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Write a study beside the working directory; the cache is empty."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATCHBENCH_CACHE", str(tmp_path / "cache"))

    def write(text: str) -> Path:
        path = tmp_path / "there" / "study.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def _require(path: Path, trusted: bool = False) -> None:
    require_trust(load_study(path), path, trusted)


def test_without_a_terminal_it_is_refused_until_it_is_trusted(make: Make) -> None:
    path = make(CODE)
    with pytest.raises(StudyError, match=r"runs code of its own .*python:theirs\.model:build\. .* with --trust"):
        _require(path)
    _require(path, trusted=True)
    _require(path)
    path = make(CODE + "seeds: [1]\n")
    with pytest.raises(StudyError, match="--trust"):
        _require(path)


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_it_is_asked_once(make: Make, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    path = make(CODE)
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", confirm)
    for _ in range(2):
        if answer:
            _require(path)
        else:
            with pytest.raises(StudyError, match="Nothing was run"):
                _require(path)
    assert len(asked) == (1 if answer else 2)


def test_what_is_no_code_or_lies_here_is_not_asked_for(make: Make) -> None:
    _require(make("name: a\nmodels: [resnet18]\n"))
    own = Path("study.yaml")
    own.write_text(CODE)
    _require(own)
