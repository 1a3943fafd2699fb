"""What many tests need: real images and weights where they are, and small studies that run in seconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a background shell ignores Ctrl-C, and so would every child
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
    if signal.getsignal(_number) is signal.SIG_IGN:  # by nohup: a handler of ours is not inherited, ignoring is
        signal.signal(_number, lambda *_: None)

# Threads that spin while they wait would take the cores from whatever else runs: ten times slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
# One thread each: what tests compute is small, and two of them run at a time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile("patchbench", deadline=None)  # a busy machine is no fault
settings.load_profile("patchbench")


@pytest.fixture(scope="session")
def pbc_zip() -> Path:
    """A zip of 2,240 real blood cells."""
    path = Path(os.environ.get("PATCHBENCH_PBC_ZIP", ROOT.parent / "shared" / "data" / "pbc_2240.zip"))
    if not path.is_file():
        pytest.skip("no real images: set PATCHBENCH_PBC_ZIP to the path of pbc_2240.zip")
    return path


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    """A folder with vit_small_patch14_dinov2.fp16.safetensors and tf_efficientnet_lite0.safetensors."""
    path = Path(os.environ.get("PATCHBENCH_WEIGHTS", ROOT.parent / "shared" / "weights"))
    if not path.is_dir():
        pytest.skip("no pretrained weights: set PATCHBENCH_WEIGHTS to their folder")
    return path


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests fill a cache of their own, shared between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATCHBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _nothing_is_left(_own_cache: None) -> Iterator[None]:
    """A test leaves the environment, the working folder and Ctrl-C as they were, and no process that it started."""
    variables, folder, ctrl_c = _variables(), Path.cwd(), signal.getsignal(signal.SIGINT)
    processes = _processes()
    yield
    assert _variables() == variables
    assert Path.cwd() == folder
    assert signal.getsignal(signal.SIGINT) is ctrl_c
    left = [pid for pid in _processes() - processes if not _is_kept(pid)]
    assert not left, "started and not waited for"


def _variables() -> dict[str, str]:
    """The environment, without what pytest and torch keep there themselves."""
    own = ("PYTEST_", "TORCHINDUCTOR_", "_TORCHINDUCTOR_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def _processes() -> set[int]:
    """What this process started and has not waited for; from the kernel's list, for psutil looks at every process."""
    return {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def _is_kept(pid: int) -> bool:
    """Whether it serves later tests too: the browser, the readers of images, and what clears up behind them."""
    try:
        words = " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return True
    return any(name in words for name in ("chromedriver", "loky", "resource_tracker"))
