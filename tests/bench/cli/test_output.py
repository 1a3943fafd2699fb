"""No text of a user, a file or a library commands the terminal or fakes a line of it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from bench.cli.output import line
from bench.cli.progress import Display
from bench.results.notice import verbatim
from bench.results.run import Run
from bench.results.schema import CellResult, Failure, Status
from bench.runner.events import CellDone, CellStarted, Planned
from bench.study.schema import Cell, ModelEntry, TrainSpec
from tests.reports.run_folder import Model, Recipe, build_run

HOSTILE = "a\x1b[2J\x9b31m\x07\r\u202eb\n[1/1] all: ok"
COMMANDS = {"\x1b", "\x9b", "\x07", "\r", "\u202e"}


def _is_plain(text: str) -> bool:
    return not COMMANDS & set(text)


def test_a_line_is_one_line_and_reads_no_markup() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    console.print(line(f"{HOSTILE} [bold]x[/nothing]"), soft_wrap=True)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert _is_plain(shown)
    assert shown.count("\n") == 1
    assert "[bold]x[/nothing]" in shown
    assert "\\x1b[2J\\x9b31m\\x07\\r\\u202eb\\n[1/1]" in shown


@pytest.mark.parametrize("live", [True, False])
def test_what_a_run_tells_of_labels_and_failures(live: bool, tmp_path: Path) -> None:
    cell = Cell(
        model=ModelEntry(name="resnet18", label=HOSTILE), regime="scratch", device="cpu", precision="fp32", seed=0,
        train=TrainSpec(), fingerprint="f", split_hash="s",
    )  # fmt: skip
    failure = Failure(kind="ValueError", notice=verbatim(HOSTILE))
    result = CellResult(id=cell.id, cell=cell, label=cell.label, status=Status.FAILED, error=failure)
    file = io.StringIO()
    with Display(Console(file=file, force_terminal=live, color_system=None, width=300), live=False) as display:
        display(Planned((cell,), 1, Run(tmp_path / HOSTILE.replace("/", "")), (verbatim(HOSTILE),)))
        display(CellStarted(cell))
        display(CellDone(cell, result))
    assert _is_plain(file.getvalue())
    assert not any(part.startswith("[1/1] all") for part in file.getvalue().splitlines())


def _bench(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "bench", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, capture_output=True, check=False, cwd=cwd, env=env)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def _images(folder: Path) -> None:
    for name in (f"{HOSTILE.replace('/', '-')}/x.png", "b/y.png"):
        path = folder / name
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(path)
    (folder / "b" / f"{HOSTILE.replace('/', '-')}.png").write_bytes(b"no image")


def _run(folder: Path) -> None:
    models: list[Model] = [(HOSTILE, "cnn", None, 9_000_000, 2.0)]
    recipe = Recipe(models=models, classes=["x", HOSTILE], devices=("cpu",), images=16, epochs=1, bad={}, not_run=())
    build_run(folder / "run", recipe)


def _damaged(folder: Path) -> None:
    _run(folder)
    path = folder / "run" / "plan.json"
    path.write_text(path.read_text().replace('"seed"', '"\\u001b[2J\\n[1/1] all: ok"', 1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_images, ("data", "audit", ".")),
        (_images, ("data", "audit", ".", "--json")),
        (_images, ("run", "quickstart", "--data", HOSTILE, "--dry-run")),
        (_images, ("run", HOSTILE)),
        (_images, ("run", "quickstart", "--set", f"{HOSTILE}=1")),
        (_images, ("run", "quickstart", "--set", f"models=['{HOSTILE}']")),
        (_images, ("report", HOSTILE)),
        (_run, ("compare", "run", "run")),
        (_run, ("export", "run", "--format", "json")),
        (_damaged, ("report", "run")),
        (_images, ("list", HOSTILE)),
        (_images, ("models", HOSTILE)),
        (_images, ("data", "split", ".", "--out", "split.csv", "--set", "dataset.duplicates.exact=keep")),
        (_images, ("run", "quickstart", f"--{HOSTILE}")),
        (_images, (f"--{HOSTILE}",)),
        (_images, ("run", "quickstart", HOSTILE)),
        (_images, ("run", "quickstart", "--retry", HOSTILE)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_commands_escape_what_they_are_given(
    tmp_path: Path, make: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    make(tmp_path)
    done = _bench(*words, cwd=tmp_path)
    shown = done.stdout + done.stderr
    assert done.returncode in (0, 2), shown
    assert "Traceback" not in shown
    assert _is_plain(shown)
    assert not any(part.startswith("[1/1] all") for part in shown.splitlines())
