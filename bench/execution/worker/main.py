"""The child process: one cell, from the pixel cache to an outcome file.

    python -m bench.execution.worker.main JOB.json [PARENT STARTED]

The job is written by the parent (`bench.execution.messages.job.Job`); PARENT is its process id, STARTED its
`time.monotonic` at the start, which Linux counts from boot for all processes. The child writes in the cell's folder
history.jsonl, progress.json, probabilities.npy and, as the last thing, outcome.json. An error that nobody foresaw
ends it with a traceback on the standard error, which the parent keeps in log.txt.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from bench.disk import is_disk_error
from bench.execution.messages.job import Job
from bench.execution.messages.outcome import DISK_EXIT
from bench.execution.process.parent import die_with_parent
from bench.execution.worker.cell import run_cell
from bench.execution.worker.progress import ProgressWriter, publish_to
from bench.execution.worker.record import Record
from bench.measure.memory import APART
from bench.measure.phase_marks import PhaseMarks
from bench.results.schema import Memory
from bench.results.through import write_file


def main(arguments: list[str]) -> int:
    """Run the cell of a job file; the outcome file has how it went."""
    path, *host = arguments
    started = float(host[1]) if host else time.monotonic()
    sys.path.append(str(Path.cwd()))  # a user's own models; last, so that no file there hides an installed module
    job = Job.model_validate_json(Path(path).read_text(encoding="utf-8"))
    if host:
        die_with_parent(int(host[0]))
    try:
        _run(job, started)
    except Exception as error:
        if not is_disk_error(error, job.folder):
            raise
        with suppress(OSError):  # the log lies on the same disk
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return DISK_EXIT
    return 0


def _run(job: Job, started: float) -> None:
    record, marks = Record(), PhaseMarks()

    def elapsed() -> float:
        return time.monotonic() - started

    def store() -> None:
        """Write the outcome as far as it is known."""
        marks.enter(marks.phase)
        record.add(Memory(hwm_by_phase=dict(marks.peaks), peak_ram_hwm_mib=marks.highest))
        record.ended(elapsed())
        write_file(job.folder / "outcome.json", record.outcome.model_dump_json())

    publish = publish_to(job.folder / "progress.json")
    reporter = ProgressWriter(job.folder, job.cell.train.epochs, record, publish=publish, enter=marks.enter)
    later = run_cell(job, record, reporter, elapsed)
    store()
    if later is not None:
        reporter.phase(APART)  # what goes wrong from here on does not undo the result
        later(store)
        store()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
