"""Random changes to a run folder: whoever reads it ends well or with one message, and in bounded memory.

``python -m tests.fuzz.run_folders --count 1000`` tries so many, each in turn by report, compare, every export and what
reproduce does before it runs; ``--seconds`` tries for so long. The suite tries 60 (test_run_folders.py).
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.errors import BenchError
from bench.results.plan import FOUND_BATCH, FoundBatchSize
from bench.results.run import Run
from bench.runner.reproduce import stored_study
from bench.terminal import printable
from reports import compare_runs, export, render_report
from reports.comparison.page import lines
from reports.text.i18n import ENGLISH
from tests.fuzz.mutate import mutate
from tests.reports.run_folder import Recipe, build_run

__all__ = ["TARGETS", "build", "main", "tries"]

_LARGEST_MIB = 1024
_SLOWEST = 60
"""Seconds of the processor for one change."""
_ASLEEP = 600
"""Seconds by the clock: a reader that waits for a pipe uses no processor."""

Target = Callable[[Path, Path], object]


def _everything(run: Run) -> None:
    """What no page reads."""
    _ = run.batch_size, run.missing(), run.environment, run.thumbnails()
    for cell in run.plan():
        run.steps(cell.id)
        run.history(cell.id)
        run.result(cell.id)


def _compare(whole: Path, run: Path) -> None:
    compared = compare_runs(whole, run, run / "compared.html")
    for _kind, line in lines(compared, ENGLISH):
        line.encode()


TARGETS: dict[str, Target] = {
    "report": lambda _whole, run: render_report([run]),
    "compare": _compare,
    **{
        form: lambda _whole, run, form=form: export(run, form, run / f"results.{form}")  # type: ignore[misc]
        for form in ("csv", "json", "markdown", "latex", "croissant")
    },
    "model-cards": lambda _whole, run: export(run, "model-cards", run / "cards"),
    "figures": lambda _whole, run: export(run, "figures", run / "drawn"),
    "reproduce": lambda _whole, run: stored_study(Run(run)),
    "library": lambda _whole, run: _everything(Run(run)),
}


def build(folder: Path) -> Path:
    """A small run with every kind of file."""
    models = [("vit_tiny_p16", "vit", 16, 9_000_000, 3.0), ("resnet18", "cnn", None, 9_000_000, 2.0)]
    bad = {("resnet18", "cpu"): Recipe().bad["vgg16", "cpu"]}
    recipe = Recipe(
        models=models, classes=["a", "b", "c"], seeds=(0, 1), devices=("cpu",), images=12, epochs=2, bad=bad, not_run=()
    )
    run = build_run(folder / "whole", recipe)
    validation = Run(run).dataset.rows("validation")
    for number, cell in enumerate(sorted(run.glob("cells/*"))):
        rng = np.random.default_rng(number)
        np.save(cell / "validation.npy", rng.dirichlet([1, 1, 1], len(validation)).astype(np.float32))
        np.save(cell / "steps.npy", rng.random((4, 5), dtype=np.float32))
        (cell / "model.safetensors").write_bytes(b"weights")
    found = FoundBatchSize(batch_size=32, largest={"vit_tiny_p16": 64, "resnet18": 32})
    (run / FOUND_BATCH).write_text(found.model_dump_json(indent=1))
    return run


def tries(whole: Path, folder: Path, seed: int, targets: dict[str, Target]) -> dict[str, str]:
    """Change a copy of the run by the seed and have each target read it; return how each ended.

    ``ok``, ``refused``, or the traceback of what should not have happened.
    """
    rng = random.Random(seed)
    run = folder / f"run-{seed}"
    shutil.copytree(whole, run)
    changes = [mutate(run, rng) for _ in range(rng.choice((1, 1, 1, 2, 5)))]
    ended = {}
    for name, target in targets.items():
        try:
            target(whole, run)
            ended[name] = "ok"
        except BenchError as error:
            printable(str(error)).encode()
            ended[name] = "refused" if len(str(error)) < 3000 else f"a message of {len(str(error)):,} characters"
        except Exception:  # noqa: BLE001 - what is looked for
            ended[name] = f"seed {seed}, {', '.join(changes)}\n{traceback.format_exc()}"
    shutil.rmtree(run)
    return ended


class _TooSlowError(Exception):
    """An alarm."""


def _alarm(*_: object) -> None:
    raise _TooSlowError


def main(count: int | None = None, seconds: float | None = None, first: int = 0) -> int:
    """Try ``count`` changes, or as many as ``seconds`` allow, from the seed ``first`` on; print what came of them.

    Returns the number of endings that should not have been, 0 for none.
    """
    for alarm in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(alarm, _alarm)
    counted: Counter[str] = Counter()
    wrong, until = [], None if seconds is None else time.monotonic() + seconds
    seed = first
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        whole = build(Path(folder))
        while (count is None or seed < first + count) and (until is None or time.monotonic() < until):
            signal.alarm(_ASLEEP)
            signal.setitimer(signal.ITIMER_PROF, _SLOWEST)
            heavy = {name: target for name, target in TARGETS.items() if name != "figures" or seed % 10 == 0}
            for name, how in tries(whole, Path(folder), seed, heavy).items():
                counted[f"{name}: {how if how in ('ok', 'refused') else 'wrong'}"] += 1
                if how not in ("ok", "refused"):
                    wrong.append(how)
                    print(how, flush=True)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            seed += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{seed - first} changes, peak {peak:,.0f} MiB, {len(wrong)} wrong: {dict(sorted(counted.items()))}")
    return len(wrong) + (peak > _LARGEST_MIB)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    sys.exit(main(given.count, given.seconds, given.first) > 0)
