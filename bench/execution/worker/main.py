"""The child process: one cell, from the pixel cache to an outcome file.

    python -m bench.execution.worker.main JOB.json

The job is written by the parent (`bench.execution.messages.job.Job`). The child leaves in the cell's folder
history.jsonl, progress.json, probabilities.npy and, as the last thing, outcome.json. An error that nobody foresaw
ends it with a traceback on the standard error, which the parent keeps in log.txt.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.errors import BenchError, DeviceError, RunError
from bench.execution.messages.job import Job, die_with_parent
from bench.execution.messages.outcome import DISK_EXIT
from bench.execution.worker.progress import ProgressWriter
from bench.measure.memory import APART, PhaseMarks, pss_mib
from bench.measure.system.environment import usable_cores
from bench.results.files import write_atomic

Later = Callable[[Callable[[], None]], None]
"""Measures what comes after the result; it is given a function that stores what is known so far."""

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
"""What stands in the way of writing; not the cell's fault, so the cell is left to be done again."""


def main(arguments: list[str]) -> int:
    """Run the cell of a job file; the outcome file says how it went."""
    sys.path.append(str(Path.cwd()))  # a user's own models; last, so that no file there hides an installed module
    job = Job.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    die_with_parent(job.parent)
    outcome: dict[str, Any] = {"status": "ok", "timings": {}, "memory": {}, "context": {}, "settings": {}}
    marks = PhaseMarks()
    try:
        reporter = ProgressWriter(job.folder, job.cell.train.epochs, marks, outcome)
        later = _ending(job, outcome, reporter)
        _write_outcome(job, outcome, marks)
        if later is not None:
            reporter.phase(APART)  # what goes wrong from here on does not undo the result
            later(lambda: _write_outcome(job, outcome, marks))
            _write_outcome(job, outcome, marks)
    except (OSError, RunError) as error:
        if not _is_disk(error):
            raise
        with suppress(OSError):  # the log lies on the same disk
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return DISK_EXIT
    return 0


def _write_outcome(job: Job, outcome: dict[str, Any], marks: PhaseMarks) -> None:
    """Write the outcome as far as it is known."""
    marks.enter(marks.phase)
    outcome["memory"].update(hwm_by_phase=marks.peaks, peak_ram_hwm_mib=marks.highest)
    outcome.setdefault("ended_after", time.monotonic() - job.started)
    write_atomic(job.folder / "outcome.json", json.dumps(outcome))


def _ending(job: Job, outcome: dict[str, Any], reporter: ProgressWriter) -> Later | None:
    """Run the cell and tell a foreseen ending in the outcome; returns what is to be measured once it is stored."""
    try:
        return _run(job, outcome, reporter)
    except DeviceError as error:
        outcome.update(_told("unavailable", "DeviceError", str(error)))
    except BenchError as error:
        if _is_disk(error):
            raise
        outcome.update(_told("failed", type(error).__name__, str(error)))
    except MemoryError as error:
        outcome.update(_told("out_of_memory", "MemoryError", str(error) or "out of memory"))
    except Exception as error:
        known = _known_ending(error)
        if known is None:
            raise
        outcome.update(known)
    return None


def _told(status: str, kind: str, message: str) -> dict[str, Any]:
    return {"status": status, "error": {"kind": kind, "message": message}}


def _is_disk(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, says that nothing can be written any more."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _DISK:
            return True
        cause = cause.__cause__
    return False


def _known_ending(error: Exception) -> dict[str, Any] | None:
    """Endings whose classes only exist once torch is imported: divergence, and torch's ways to be out of memory."""
    name, message = type(error).__name__, str(error)
    if name == "Diverged":
        return _told("diverged", name, f"{message}; try a lower train.lr")
    if name == "ModelZooError":
        return _told("failed", "ModelError", message)
    if name == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate" in message:
        return _told("out_of_memory", name, message.splitlines()[0])
    return None


def _run(job: Job, outcome: dict[str, Any], reporter: ProgressWriter) -> Later | None:
    """The phases of a cell, in order; each leaves its seconds in the outcome, so that a failure keeps those before."""
    threads = job.cell.train.threads or usable_cores()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    outcome["memory"]["interpreter_mib"] = pss_mib()
    from bench.execution.worker import pipeline as phases

    outcome["timings"]["import_seconds"] = time.monotonic() - job.started
    return phases.run(job, outcome, threads, reporter)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
