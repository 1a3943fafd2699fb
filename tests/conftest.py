"""What many tests need: real images and weights where they are, and small studies that run in seconds."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a background shell ignores Ctrl-C, and so would every child
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Threads that spin while they wait would take the cores from whatever else runs: ten times slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
# One thread each: what tests compute is small, and two of them run at a time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("patchbench", deadline=None)  # a busy machine is no fault
settings.load_profile("patchbench")


def _given(variable: str, default: Path) -> Path | None:
    path = Path(os.environ.get(variable, default))
    return path if path.exists() else None


@pytest.fixture(scope="session")
def pbc_zip() -> Path:
    """A zip of 2,240 real blood cells."""
    path = _given("PATCHBENCH_PBC_ZIP", ROOT.parent / "shared" / "data" / "pbc_2240.zip")
    if path is None:
        pytest.skip("no real images: set PATCHBENCH_PBC_ZIP to the path of pbc_2240.zip")
    return path


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    """A folder with vit_small_patch14_dinov2.fp16.safetensors and tf_efficientnet_lite0.safetensors."""
    path = _given("PATCHBENCH_WEIGHTS", ROOT.parent / "shared" / "weights")
    if path is None:
        pytest.skip("no pretrained weights: set PATCHBENCH_WEIGHTS to their folder")
    return path


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests fill a cache of their own, shared between them."""
    os.environ["PATCHBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
