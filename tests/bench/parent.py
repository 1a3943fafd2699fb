"""``patchbench`` in a process of its own, its cells trivial."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

__all__ = ["STUDY", "Parent"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

STUDY: dict[str, Any] = {
    "name": "small",
    "dataset": {"source": "synthetic", "count": 60, "image_size": 32, "classes": 2},
    "models": [{"name": "resnet18", "weights": "none"}],
    "regimes": ["scratch"],
    "seeds": [0, 1, 2],
    "train": {"epochs": 1},
}

PARENT = """
import importlib.util, os, sys, time
spec = importlib.util.spec_from_file_location("fast_cells", {conftest!r})
fast = importlib.util.module_from_spec(spec); spec.loader.exec_module(fast)
from bench.execution import local
local.CHILD = fast.trivial_child({script!r})
def hang(*_, **__):
    open({mark!r}, "w").write(str(os.getpid()))
    while True: time.sleep(0.01)
{preparation}
sys.argv = ["patchbench", *{words!r}]
from bench.cli.main import main
main()
"""

HANG = """
import ctypes
ctypes.CDLL(None).prctl(1, 9)
write_outcome()
if seed == 1:
    os.remove(folder + '/outcome.json')
    {first}
    open({mark!r} + '.part', 'w').write(str(os.getpid())); os.rename({mark!r} + '.part', {mark!r})
    time.sleep(600)
"""


class Parent:
    """``patchbench`` in a process of its own, its cells trivial; it hangs in a phase once ``mark`` is there."""

    def __init__(self, folder: Path, **keys: Any) -> None:
        """keys: of the study, in place of `STUDY`'s."""
        self.folder = folder
        self.out = folder / "r"
        self.mark = folder / "mark"
        study = folder / "small.yaml"
        study.write_text(yaml.safe_dump({**STUDY, **keys}))
        self.run = ["run", str(study), "--out", str(self.out)]

    def launch(
        self,
        words: list[str] | None = None,
        *,
        script: str = "write_outcome()",
        preparation: str = "",
        before: tuple[str, ...] = (),
        **how: Any,
    ) -> subprocess.Popen[str]:
        """script: of the children. preparation: what it runs first. before: the command that starts it."""
        code = PARENT.format(
            conftest=str(HERE / "conftest.py"),
            script=script,
            mark=str(self.mark),
            preparation=preparation,
            words=words or [*self.run, "--no-report"],
        )
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT, "start_new_session": True, **how}
        self.process = subprocess.Popen([*before, sys.executable, "-c", code], text=True, **how)
        return self.process

    def start(
        self, words: list[str] | None = None, preparation: str = "", first: str = "", before: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """Launch it and wait until it hangs: in what is prepared, or in a child, which first runs ``first``."""
        script = "write_outcome()" if preparation else HANG.format(mark=str(self.mark), first=first)
        self.launch(words, script=script, preparation=preparation, before=before)
        while not (self.mark.exists() and self.mark.read_text()):
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.02)
        return self.process

    def ended(self) -> tuple[int, str]:
        """Its exit code and its messages."""
        _, err = self.process.communicate(timeout=600)
        return self.process.returncode, err
