"""Files in the working directory that are named like modules: none is executed, in no process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

NAMES = "random statistics numpy torch json typing pathlib re signal contextlib subprocess inspect PIL timm typer loky"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A working directory in which each of these modules leaves a mark."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in NAMES.split():
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'hit')!r}, 'a').write(__name__ + ' ')")
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Enough for reader processes."""
    draw = random.Random(0)
    for index in range(80):
        path = tmp_path / "images" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.frombytes("RGB", (8, 8), draw.randbytes(192)).save(path)
    return tmp_path / "images"


def _patchbench(*words: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **env})


def test_readers_and_their_helpers(hostile: Path, images: Path, tmp_path: Path) -> None:
    done = _patchbench("data", "audit", images, cwd=hostile, PATCHBENCH_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "hit").exists(), (tmp_path / "hit").read_text()


def test_a_process_that_builds_a_model(hostile: Path, tmp_path: Path) -> None:
    done = _patchbench("models", "resnet18", "--image-size", 32, cwd=hostile)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "hit").exists(), (tmp_path / "hit").read_text()


def test_a_users_own_model_is_still_found_there(hostile: Path) -> None:
    (hostile / "my_net.py").write_text(
        "import torch\n"
        "def net(num_classes):\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(num_classes))\n"
    )
    done = _patchbench("models", "python:my_net:missing", "--image-size", 8, cwd=hostile)
    assert done.returncode == 2
    assert "my_net" in done.stderr
    assert "No module named" not in done.stderr
