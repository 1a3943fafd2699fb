"""Where cells run: the protocol of an executor, which knows no host, and the executors that there are.

To add one: a module with a class that has `Executor`'s methods, and a line in `EXECUTORS`; an installed package adds
its own by an entry point in the group ``patchbench.executors``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol

from bench.registry import Registry
from bench.signals import Interrupted

if TYPE_CHECKING:  # the command line reads the names, and has to be quick
    from bench.execution.messages.job import Job
    from bench.execution.messages.progress import Progress
    from bench.results.schema import CellResult
    from bench.study.schema import Budget

    OnProgress = Callable[[Progress], None]
    """Called a few times a second while a cell runs with what it reports of itself."""

__all__ = ["EXECUTORS", "CellInterrupted", "Executor", "open_executor"]


class CellInterrupted(Interrupted):
    """Ctrl-C or another signal while a cell ran; what is known of the cell is in ``result``."""

    def __init__(self, result: CellResult, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.result = result


class Executor(Protocol):
    """Runs cells, one at a time."""

    interactive: ClassVar[bool]
    """Whether a cell has the terminal, for a debugger, so that nothing else may draw on it."""

    def run(
        self, job: Job, budget: Budget, *, on_progress: OnProgress, price_per_hour: float | None = None
    ) -> CellResult:
        """Run a cell and return its result, whatever became of it.

        job: its files are in folders that the cell and this process both see; the cell writes there what `Job.folder`
        holds of a finished cell. budget: the limits of time and memory. price_per_hour: of the device, for the record.

        Raises:
            CellInterrupted: Ctrl-C or another signal that ends a run, once the cell has been ended.
            RunError: the cell could not write its files, or nothing could be started; the cell is to be done again.
        """
        ...


EXECUTORS: Registry[type[Executor]] = Registry(
    "executor",
    {"local": "bench.execution.local:LocalExecutor", "inline": "bench.execution.inline:InlineExecutor"},
    group="patchbench.executors",
)


def open_executor(name: str) -> Executor:
    """Return an executor by its name. Raises `StudyError` when there is none of that name."""
    return EXECUTORS.load(name)()
