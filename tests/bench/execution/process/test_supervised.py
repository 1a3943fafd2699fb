"""What a cell starts, however it wanders off, and what is known of a cell while its parent does not look."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.execution.messages.job import Job
from bench.execution.process.child import Child
from bench.results.notice import Notice
from bench.results.schema import CellResult, Status

RunScript = Callable[..., CellResult]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="supervised on Linux only")

HOLDS = "import time; held = bytearray(b'x') * (200 << 20); time.sleep(600)"
DAEMON = f"""
    def daemon(code):
        # forked twice, a session of its own, an empty environment, no file in common
        read, write = os.pipe()
        if os.fork() == 0:
            os.setsid()
            pid = os.fork()
            if pid:
                os.write(write, str(pid).encode())
                os._exit(0)
            os.chdir("/")
            os.closerange(0, 100)
            os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", code], {{}})
        os.wait()
        open(folder + "/daemon", "w").write(os.read(read, 20).decode())
    daemon({HOLDS!r})
"""


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _daemon(job: Job) -> int:
    return int((job.folder / "daemon").read_text())


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("time.sleep(1); write_outcome()", Status.OK),
        ("time.sleep(1); os.kill(os.getpid(), signal.SIGKILL)", Status.FAILED),
        ("time.sleep(600)", Status.TIMEOUT),
    ],
)
def test_a_daemon_that_hides_counts_and_ends_with_its_cell(
    run_script: RunScript, job: Job, last: str, status: Status
) -> None:
    result = run_script(DAEMON + "    " + last, **({"time_limit": 2} if status is Status.TIMEOUT else {}))
    assert result.status is status
    assert _is_gone(_daemon(job))
    assert result.memory.peak_ram_mib is not None
    assert result.memory.peak_ram_mib > 200


def test_a_daemon_that_hides_counts_towards_the_limit(run_script: RunScript, job: Job) -> None:
    assert run_script(DAEMON + "    time.sleep(600)", memory_limit="150MiB").status is Status.OUT_OF_MEMORY
    assert _is_gone(_daemon(job))


def test_a_supervisor_that_is_stopped_is_woken(run_script: RunScript) -> None:
    result = run_script("os.kill(os.getppid(), signal.SIGSTOP); time.sleep(0.5); write_outcome()", time_limit=60)
    assert result.status is Status.OK
    assert result.timings.total_seconds is not None
    assert result.timings.total_seconds < 50


def test_nothing_outlives_a_supervisor_that_is_killed(run_script: RunScript, job: Job) -> None:
    result = run_script(DAEMON + "    time.sleep(1); os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)")
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.notice == Notice.of("killed_by_signal", signal="SIGKILL")
    _wait_until_gone(_daemon(job))


def _wait_until_gone(pid: int) -> None:
    for _ in range(1000):
        if _is_gone(pid):
            return
        time.sleep(0.01)
    raise AssertionError(pid)


def test_processes_of_this_one_that_are_not_the_cells_live_on(run_script: RunScript) -> None:
    """As in a notebook: an own child from before, and an orphan of it that is born while the cell runs."""
    orphan = "import subprocess, sys, time; time.sleep(0.3); subprocess.Popen(['sleep', '600']); time.sleep(0.3)"
    before = subprocess.Popen(["sleep", "600"])
    other = subprocess.Popen([sys.executable, "-c", f"{orphan}; print(flush=True)"], stdout=subprocess.PIPE)
    try:
        grandchildren: list[psutil.Process] = []
        run_script("time.sleep(0.1); write_outcome()")
        while not grandchildren and other.poll() is None:
            grandchildren = psutil.Process(other.pid).children()
        assert run_script("time.sleep(1); write_outcome()").status is Status.OK
        assert before.poll() is None
        assert [one.is_running() for one in grandchildren] == [True]
    finally:
        for process in grandchildren:
            process.kill()
        before.kill()
        before.wait()
        other.communicate()


def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    cell = "import os, time\nif os.fork() == 0: os.setsid(); os.environ.clear()\ntime.sleep(600)"
    parent = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from bench.execution.process.child import Child
        child = Child([sys.executable, "-I", "-S", "-c", {cell!r}], Path({str(tmp_path)!r}))
        while len(child.processes()) < 2: time.sleep(0.01)
        print(*child.processes(), flush=True)
        time.sleep(600)
    """)
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2
    process.kill()
    process.communicate()
    end = time.monotonic() + 60
    while not all(_is_gone(pid) for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_supervisor_that_is_killed_leaves_a_failed_cell(run_script: RunScript) -> None:
    result = run_script("os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)")
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == "SIGKILL"


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot start a process"):
        Child([str(tmp_path / "nothing")], tmp_path)


STOPPER = """
import os, signal, time
time.sleep({after})
os.kill({pid}, signal.SIGSTOP)
time.sleep({seconds})
os.kill({pid}, signal.SIGCONT)
"""


def _stop(pid: int, after: float, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", STOPPER.format(pid=pid, after=after, seconds=seconds)])


def test_a_parent_that_is_stopped_does_not_lengthen_the_cell(run_script: RunScript) -> None:
    """The limit lies between the cell's own time and the time at which its end is seen."""
    stopper = _stop(os.getpid(), 1, 5)
    result = run_script("time.sleep(2); write_outcome()", time_limit=4.5)
    stopper.wait()
    assert result.status is Status.OK
    assert result.timings.total_seconds is not None
    assert 2 <= result.timings.total_seconds < 4.5
    assert result.started is not None
    assert result.finished is not None
    (gap,) = (notice for notice in result.context.notices if notice.code == "watch_gap")
    assert isinstance(gap.values["seconds"], float)
    assert gap.values["seconds"] > 4
    assert result.memory.longest_gap_seconds is not None
    assert 0.5 < result.memory.longest_gap_seconds < 2.5


def test_a_parent_that_is_stopped_does_not_lift_the_limit(run_script: RunScript) -> None:
    stopper = _stop(os.getpid(), 0.5, 4)
    result = run_script("time.sleep(2.5); write_outcome()", time_limit=1.5)
    stopper.wait()
    assert result.status is Status.TIMEOUT
    assert result.error is not None
    assert result.error.notice == Notice.of("time_limit", seconds=1.5)


def test_a_child_that_is_stopped_is_told(run_script: RunScript) -> None:
    result = run_script("""
        if os.fork() == 0:
            parent = os.getppid()
            time.sleep(0.5)
            os.kill(parent, signal.SIGSTOP)
            time.sleep(2)
            os.kill(parent, signal.SIGCONT)
            os._exit(0)
        os.wait()
        write_outcome()
    """)
    assert result.status is Status.OK
    (stopped,) = (notice for notice in result.context.notices if notice.code == "cell_stopped")
    assert isinstance(stopped.values["seconds"], float)
    assert stopped.values["seconds"] == pytest.approx(2, abs=0.5)


def test_a_quiet_cell_has_no_notices(run_script: RunScript) -> None:
    assert run_script("time.sleep(0.5); write_outcome()").context.notices == ()


def test_a_signal_that_is_ignored_by_the_parent(run_script: RunScript) -> None:
    """An ignored SIGCHLD is inherited, and hides the ends of children."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert run_script("time.sleep(600)", time_limit=0.5).status is Status.TIMEOUT
    finally:
        signal.signal(signal.SIGTERM, before)
