"""One target for some seconds, in a process that may hang, crash or fill the memory: `tests.fuzz.guard` watches it.

    python -m tests.fuzz.campaign TARGET SECONDS SEED FOLDER

The input under way lies in FOLDER/current; a fault leaves its smallest input there, and the traceback on stderr.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, Target, corpus

_BATCH = 100
"""Inputs that share a seed of hypothesis."""


class _Attempts:
    """Gives inputs to a target, one at a time, and counts what became of them."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target, self._folder = target, folder
        self.inputs = self.refused = 0

    def __call__(self, data: bytes) -> None:
        (self._folder / "current").write_bytes(data)
        self.inputs += 1
        with tempfile.TemporaryDirectory(dir=self._folder) as empty:
            try:
                self._target.run(data, Path(empty))
            except self._target.refusals as error:
                if not str(error).strip():
                    raise AssertionError("a refusal without a word") from error
                self.refused += 1

    def report(self) -> None:
        """Leave the counts where the guard looks for them."""
        (self._folder / "counts").write_text(json.dumps({"inputs": self.inputs, "refused": self.refused}))


def main(name: str, seconds: float, first_seed: int, folder: Path) -> None:
    """Replay the corpus, then draw inputs until the time is over; the first fault ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "hypothesis", ignore_errors=True)
    attempts, seeds = _Attempts(TARGETS[name](), folder), corpus(name)
    for data in seeds:
        attempts(data)
    attempts.report()
    end, number = time.monotonic() + seconds, first_seed

    while time.monotonic() < end:

        @seed(number)
        @settings(
            max_examples=_BATCH,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(mutated(seeds))
        def batch(data: bytes) -> None:
            attempts(data)

        batch()
        attempts.report()
        number += 1


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
