"""What several benchmarks need: real images as files, and what the CPU can."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def pbc_folder(pbc_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 2,240 real blood cells as files, in a folder of class folders."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(pbc_zip) as archive:
        archive.extractall(folder)
    (root,) = folder.iterdir()
    for hidden in root.glob("*/.*"):
        hidden.unlink()  # the file that is no image would end the reference in its first epoch
    return root


@pytest.fixture(scope="session")
def has_bf16() -> bool:
    """Whether the CPU has bf16 instructions."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


@pytest.fixture(scope="session")
def expect() -> Callable[[bool], None]:
    """Assert what figures show, unless the machine had other work when this began: they would prove nothing."""
    quiet = os.getloadavg()[0] < 0.75 * (os.cpu_count() or 1)

    def check(met: bool) -> None:
        if not quiet:
            pytest.skip("the machine was busy with other work when this began: the figures prove nothing")
        assert met

    return check
