"""patchbench: which image classifier, on which hardware, at what cost, and how sure can we be?

    from bench import load_study, run_study, load_results, render_report

    run = run_study("quickstart", out="runs/quickstart")
    print(load_results(run.path).results()[0].metrics)
    render_report([run])

Nothing here imports torch: models run in child processes.
"""

from __future__ import annotations

TYPE_CHECKING = False  # without typing: `python -m bench` comes by here before it sets its path right

if TYPE_CHECKING:
    from typing import Any

    from bench.errors import BenchError
    from bench.results.run import Run, load_results
    from bench.results.schema import CellResult, Status
    from bench.results.table import to_frame
    from bench.runner.study import run_study
    from bench.study.load import load_study
    from bench.study.schema import Cell, Study

__all__ = [
    "BenchError",
    "Cell",
    "CellResult",
    "Run",
    "Status",
    "Study",
    "load_results",
    "load_study",
    "render_report",
    "run_study",
    "to_frame",
]

_HOMES = {
    "BenchError": "bench.errors",
    "Cell": "bench.study.schema",
    "CellResult": "bench.results.schema",
    "Run": "bench.results.run",
    "Status": "bench.results.schema",
    "Study": "bench.study.schema",
    "load_results": "bench.results.run",
    "load_study": "bench.study.load",
    "render_report": "reports",
    "run_study": "bench.runner.study",
    "to_frame": "bench.results.table",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import bench`` is instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
