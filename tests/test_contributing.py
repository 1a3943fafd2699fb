"""What CONTRIBUTING.md says of adding things is true: each diff applies to a copy of the tree, and then works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MOST_FILES = {
    "a model": 1,
    "a data source": 2,
    "a metric": 2,
    "an executor": 2,
    "a report section": 3,
    "an export format": 2,
    "a corruption": 2,
}
"""At most so many files are touched to add one."""


@dataclass(frozen=True)
class Guide:
    """A part of CONTRIBUTING.md headed ``Add ...``."""

    what: str
    diff: str
    command: str
    """Run in the changed copy."""
    shown: str
    """What its output holds."""

    @property
    def files(self) -> list[str]:
        return re.findall(r"^\+\+\+ b/(\S+)", self.diff, re.MULTILINE)


def _guides() -> list[Guide]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = []
    for part in re.split(r"^### Add ", text, flags=re.MULTILINE)[1:]:
        what, _, body = part.partition("\n")
        diff = re.search(r"```diff\n(.*?)```", body, re.DOTALL)
        console = re.search(r"```console\n\$ (.*?)\n(.*?)```", body, re.DOTALL)
        assert diff is not None, what
        assert console is not None, what
        found.append(Guide(what.strip(), diff[1], console[1], console[2].strip()))
    return found


GUIDES = _guides()


def test_there_is_a_guide_for_every_kind() -> None:
    assert [guide.what for guide in GUIDES] == list(MOST_FILES)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.what)
def test_few_files_are_touched(guide: Guide) -> None:
    assert 0 < len(guide.files) <= MOST_FILES[guide.what]


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that the guides call runs/small."""
    run = tmp_path_factory.mktemp("guides") / "small"
    settings = (
        "models=[resnet18]",
        "dataset.count=80",
        "dataset.classes=2",
        "train.epochs=1",
        "measure.inference=false",
    )
    words = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "bench", "run", "quickstart", "--no-report", "--out", str(run), *words]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.what)
def test_the_diff_applies_and_works(guide: Guide, small_run: Path, tmp_path: Path) -> None:
    for package in ("bench", "models_zoo", "reports"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(small_run, tmp_path / "runs" / "small")
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "PATH": os.pathsep.join((str(_programs(tmp_path)), os.environ["PATH"])),
        "COLUMNS": "200",
        "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
    }

    def shell(command: str, given: str = "") -> str:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env=environment,
            input=given,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shell("git apply -", guide.diff)
    assert guide.shown in shell(guide.command)


def _programs(folder: Path) -> Path:
    """A folder with the programs that the commands name, of this interpreter and of the changed copy."""
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("patchbench", "-m bench"), ("python", "")):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return programs
