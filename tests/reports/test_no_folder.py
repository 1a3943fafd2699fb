"""Where neither the home nor a temporary folder can be written, a report is drawn in silence, or refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reports.run_folder import Recipe, build_run

RENDER = "import sys; from pathlib import Path; from reports import render_report; render_report([Path(sys.argv[1])])"
NO_TEMPORARY = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/nowhere/at/all']; "


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe(devices=("cpu",), images=16, epochs=1, bad={}, not_run=(), thumbnails=False)
    return build_run(tmp_path_factory.mktemp("run") / "run", recipe)


def _render(code: str, run: Path) -> subprocess.CompletedProcess[str]:
    taken = run / "study.yaml"  # a file: nothing can be made below it, for root neither
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    env = {key: value for key, value in os.environ.items() if key != "MPLCONFIGDIR"} | dict.fromkeys(names, str(taken))
    return subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False, env=env)


@pytest.mark.slow
def test_nothing_is_said_of_a_home_that_cannot_be_written(run: Path) -> None:
    done = _render(RENDER, run)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_without_a_temporary_folder_too_it_is_refused(run: Path) -> None:
    done = _render(NO_TEMPORARY + RENDER, run)
    assert done.stderr.splitlines()[-1].startswith("bench.errors.RunError: no figure can be drawn: ")
