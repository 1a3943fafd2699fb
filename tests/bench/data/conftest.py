"""Small sets of real JPEG and PNG files, made anew for each test."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.sources.synthetic.drawing import draw_cell
from bench.data.sources.synthetic.traits import KINDS

MakeFolder = Callable[..., Path]


def encoded(seed: int, kind: str = KINDS[0], size: int = 40, file_format: str = "PNG") -> bytes:
    image = Image.fromarray(draw_cell(kind, size, np.random.default_rng(seed), 0.3))
    out = io.BytesIO()
    image.save(out, file_format)
    return out.getvalue()


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Make a folder of class folders: ``make_folder(per_class=5, classes=("a", "b"))``."""

    def make(per_class: int = 6, classes: tuple[str, ...] = ("blue cell", "célula"), name: str = "set") -> Path:
        root = tmp_path / name
        for number, label in enumerate(classes):
            (root / label).mkdir(parents=True)
            for index in range(per_class):
                data = encoded(100 * number + index, KINDS[number % len(KINDS)])
                (root / label / f"{index:03d}.png").write_bytes(data)
        return root

    return make


@pytest.fixture
def make_zip(make_folder: MakeFolder, tmp_path: Path) -> Callable[..., Path]:
    """Make a zip of such a folder, with any members beside it."""

    def make(top: str = "", extra: dict[str, bytes] | None = None, per_class: int = 6) -> Path:
        root = make_folder(per_class, name="zipped")
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(root.rglob("*.png")):
                archive.write(file, top + file.relative_to(root).as_posix())
            for name, data in (extra or {}).items():
                archive.writestr(name, data)
        return path

    return make
