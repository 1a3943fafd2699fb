"""Where files that people ask for may go: through devices and pipes, never over them; never through a run's links."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.results.output import write_output
from reports import export, render_report
from tests.reports.run_folder import Model, Recipe, build_run

ONE: list[Model] = [("resnet18", "cnn", None, 9_000_000, 2.0)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return build_run(tmp_path / "run", Recipe(models=ONE, devices=("cpu",), images=16, epochs=1, bad={}, not_run=()))


def _command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_a_pipe_gets_the_text_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_output(pipe, "text")
    reader.join()
    assert got == [b"text"]
    assert pipe.is_fifo()


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    for text in ("first", "second"):
        write_output(link, text)
        assert target.read_text() == text
        assert link.is_symlink()
    with pytest.raises(RunError, match="is a folder"):
        write_output(tmp_path, "text")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", [("export", "{run}", "--out"), ("report", "{run}", "--out"), ("schema", "--out")])
def test_a_full_device_is_one_message_and_stays_a_device(run: Path, words: tuple[str, ...]) -> None:
    """A node of our own could be made by root alone: a link to the device has to do."""
    link = run.with_name("full")
    link.symlink_to("/dev/full")
    done = _command(*(word.format(run=run) for word in words), link)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in done.stderr
    assert link.is_symlink()
    assert Path("/dev/full").is_char_device()


def test_the_standard_output_by_its_name_gets_the_text_alone(run: Path) -> None:
    plain, named = _command("export", run), _command("export", run, "--out", "/dev/stdout")
    assert named.stdout == plain.stdout
    assert "/dev/stdout" in named.stderr or "pipe" in named.stderr
    with (run / "kept.csv").open("w") as file:
        words = [sys.executable, "-m", "bench", "export", str(run), "--out", "/dev/stdout"]
        subprocess.run(words, stdout=file, stderr=subprocess.DEVNULL, check=True)
    assert (run / "kept.csv").read_text() == plain.stdout


@pytest.mark.parametrize(("form", "link"), [("figures", "figures"), ("model-cards", "cells/{cell}")])
def test_nothing_is_written_through_the_links_of_a_run(run: Path, form: str, link: str) -> None:
    (cell,) = run.glob("cells/*")
    (cell / "model.safetensors").write_bytes(b"weights")
    place, outside = run / link.format(cell=cell.name), run.with_name("outside")
    if place.exists():
        place.rename(outside)
    else:
        outside.mkdir()
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    place.symlink_to(outside)
    with pytest.raises(RunError, match="is a link, and nothing is written through"):
        export(run, form)
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


def test_a_report_over_a_link_or_a_pipe_of_the_run_is_refused(run: Path) -> None:
    kept = run.with_name("kept.html")
    kept.write_text("precious")
    (run / "report.html").symlink_to(kept)
    for out in (None, run / "report.html"):
        with pytest.raises(RunError, match="is a link"):
            render_report([run], out)
    assert kept.read_text() == "precious"
    (run / "report.html").unlink()
    os.mkfifo(run / "report.html")
    with pytest.raises(RunError, match="not a regular file"):
        render_report([run])


def test_a_name_that_is_too_long_is_one_message(tmp_path: Path) -> None:
    for run in (None, tmp_path):
        with pytest.raises(RunError, match="cannot write"):
            write_output(tmp_path / ("x" * 5000), "text", run)
