"""Every way in which a child can end, with real processes and signals: there is always a result, and it is true."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Self

import psutil
import pytest

from bench.execution import local
from bench.execution.messages.job import Job
from bench.execution.messages.progress import Progress
from bench.execution.process import exit_status
from bench.execution.process.child import LOG_BYTES
from bench.measure.system.cgroups import OomKills
from bench.results.notice import Notice, verbatim
from bench.results.schema import CellResult, Status

RunScript = Callable[..., CellResult]


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _all_gone(pids: list[int], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(_gone(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def test_a_child_that_ends_well(run_script: RunScript, job: Job) -> None:
    result = run_script('write_outcome(metrics={"accuracy": 0.5, "kappa": None}, epochs=3)')
    assert result.status is Status.OK
    assert result.error is None
    assert result.metrics == {"accuracy": 0.5, "kappa": None}
    assert result.epochs == 3
    assert sorted(p.name for p in job.folder.iterdir()) == ["log.txt"]


@pytest.mark.parametrize("number", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_a_child_ended_by_a_signal_of_another(run_script: RunScript, number: str) -> None:
    result = run_script(f'print("last words", flush=True); os.kill(os.getpid(), signal.{number}); time.sleep(60)')
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == number
    assert result.error.log_tail == "last words"
    assert result.metrics == {}


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_child_that_is_asked_to_end_from_outside_is_interrupted(run_script: RunScript, number: str) -> None:
    result = run_script(f"""
        signal.signal(signal.{number}, signal.SIG_DFL)
        os.kill(os.getpid(), signal.{number}); time.sleep(60)
    """)
    assert result.status is Status.INTERRUPTED
    assert result.error is not None
    assert result.error.notice == Notice.of("ended_from_outside", signal=number)


def test_a_real_time_signal_has_no_name(run_script: RunScript) -> None:
    result = run_script("os.kill(os.getpid(), 40); time.sleep(60)")
    assert result.error is not None
    assert result.error.kind == "signal 40"


def test_a_traceback_becomes_the_reason(run_script: RunScript) -> None:
    result = run_script('raise ValueError("no such color")')
    assert result.status is Status.FAILED
    assert result.error is not None
    assert (result.error.kind, result.error.notice) == (
        "ValueError",
        Notice.of("exception", kind="ValueError", text="no such color"),
    )
    assert "Traceback" in result.error.log_tail


def test_exit_0_without_a_result_is_a_failure(run_script: RunScript) -> None:
    result = run_script('print("all fine")')
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == "no result"
    assert result.error.log_tail == "all fine"


def test_a_silent_exit_is_reported_with_its_code(run_script: RunScript) -> None:
    result = run_script("os._exit(3)")
    assert result.error is not None
    assert result.error.kind == "exit code 3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"metrics": {}}',
        '{"status": "splendid"}',
        '{"status": "ok", "metrics": {"accuracy": NaN}}',
        '{"status": "ok", "metrics": {"accuracy": "much"}}',
        '{"status": "ok", "timings": {"train_seconds": Infinity}}',
        '{"status": "ok", "confusion": [[0.5]]}',
        '{"status": "failed", "error": "because"}',
    ],
)
def test_a_broken_outcome_is_a_failure(run_script: RunScript, text: str) -> None:
    result = run_script(f'open(folder + "/outcome.json", "w").write({text!r})')
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == "broken result"
    assert result.metrics == {}


def test_an_outcome_that_is_no_text(run_script: RunScript) -> None:
    result = run_script('open(folder + "/outcome.json", "wb").write(bytes(range(128, 256)))')
    assert result.status is Status.FAILED


def test_a_crash_after_the_result_is_noted_and_the_result_stands(run_script: RunScript) -> None:
    result = run_script(
        'write_outcome(metrics={"accuracy": 1.0}); os.kill(os.getpid(), signal.SIGSEGV); time.sleep(60)'
    )
    assert result.status is Status.OK
    ended = Notice.of("killed_by_signal", signal="SIGSEGV")
    assert result.context.late_failure == Notice.of("failed_after_result", how=ended)


def test_a_foreseen_ending_is_reported_as_it_is(run_script: RunScript) -> None:
    result = run_script('write_outcome(status="diverged", error=failure("Diverged", "loss is nan"), epochs=2)')
    assert result.status is Status.DIVERGED
    assert result.error is not None
    assert result.error.notice == verbatim("loss is nan")
    assert result.epochs == 2


def test_what_a_killed_child_had_reported_is_kept(run_script: RunScript) -> None:
    result = run_script("""
        facts = {"timings": {"import_seconds": 1.5}, "memory": {"baseline_mib": 7.0}, "context": {"threads": 1},
                "settings": {}, "model": {}}
        open(folder + "/history.jsonl", "w").write('{"epoch": 1}\\n{"epoch": 2}\\n{"epo')
        progress(phase="train", so_far=facts)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert result.timings.import_seconds == 1.5
    assert result.memory.baseline_mib == 7.0
    assert result.context.threads == 1
    assert result.epochs == 2


def test_a_hanging_child_meets_the_time_limit(run_script: RunScript) -> None:
    result = run_script("time.sleep(600)", time_limit=0.5)
    assert result.status is Status.TIMEOUT
    assert result.error is not None
    assert result.error.notice == Notice.of("time_limit", seconds=0.5)
    assert result.timings.total_seconds is not None
    assert 0.5 <= result.timings.total_seconds < 300


def test_a_busy_child_that_prints_meets_the_time_limit_too(run_script: RunScript) -> None:
    assert run_script("while True: print('still here', flush=True)", time_limit=0.5).status is Status.TIMEOUT


def test_a_child_is_warned_before_it_is_killed(
    run_script: RunScript, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_GRACE_SECONDS", 0.7)
    script = """
        signal.signal(signal.SIGTERM, lambda number, frame: open(folder + "/warned", "w").close())
        while True: time.sleep(1)
    """
    result = run_script(script, time_limit=4)
    assert result.status is Status.TIMEOUT
    assert (job.folder / "warned").exists()
    assert result.timings.total_seconds is not None
    assert result.timings.total_seconds >= 4.7


def test_printing_without_end_leaves_a_log_of_bounded_size(run_script: RunScript, job: Job) -> None:
    result = run_script(
        'print("the first line", flush=True)\n'
        'block = "x" * 99999 + "\\n"\n'
        "for _ in range(600): os.write(1, block.encode()); time.sleep(0.002)\n"
        'print("the last line", flush=True)\n'
        "write_outcome()"
    )
    log = (job.folder / "log.txt").read_text()
    assert result.status is Status.OK
    assert len(log) < LOG_BYTES
    assert log.startswith("the first line")
    assert log.endswith("the last line\n")
    assert "cut here" in log


FORKS = """
    code = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    same = subprocess.Popen([sys.executable, "-I", "-S", "-c", code])
    session = subprocess.Popen([sys.executable, "-I", "-S", "-c", code], start_new_session=True)
    read, write = os.pipe()
    if os.fork() == 0:                      # a daemon: forked twice, its own session, adopted by another process
        os.setsid()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(write, str(os.getpid()).encode()); os.close(write)
            time.sleep(600)
        os._exit(0)
    os.wait()
    daemon = int(os.read(read, 20))
    open(folder + "/pids", "w").write(json.dumps([same.pid, session.pid, daemon]))
"""


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("write_outcome()", Status.OK),
        ("os._exit(1)", Status.FAILED),
        ("os.kill(os.getpid(), signal.SIGKILL)", Status.FAILED),
        ("time.sleep(600)", Status.TIMEOUT),
    ],
)
def test_no_orphan_is_left(run_script: RunScript, job: Job, last: str, status: Status) -> None:
    result = run_script(FORKS + "    " + last, **({"time_limit": 4} if status is Status.TIMEOUT else {}))
    pids = json.loads((job.folder / "pids").read_text())
    assert result.status is status
    assert len(pids) == 3
    assert _all_gone(pids)


def test_what_a_killed_run_left_behind_is_ended_before_the_cell_runs_again(run_script: RunScript, job: Job) -> None:
    run_script("write_outcome()")
    (job.folder / "job.json").write_text("{}")
    left = psutil.Popen(["sleep", "600"], env={"PATCHBENCH_CELL": str(job.folder), "PATH": os.environ["PATH"]})
    other = psutil.Popen(["sleep", "600"], env={"PATCHBENCH_CELL": str(job.folder) + "0", "PATH": os.environ["PATH"]})
    try:
        assert run_script("write_outcome()").status is Status.OK
        assert _all_gone([left.pid])
        assert not _gone(other.pid)
    finally:
        left.wait()
        other.kill()
        other.wait()


def test_memory_past_the_limit_ends_a_cell(run_script: RunScript) -> None:
    result = run_script(
        "held = [bytearray(b'x') * (10 << 20) for _ in range(20)]; time.sleep(60)", memory_limit="60MiB"
    )
    assert result.status is Status.OUT_OF_MEMORY
    assert result.error is not None
    assert result.error.notice.code in ("memory_limit", "memory_limit_by_kernel")
    assert result.error.notice.values["mib"] == 60
    assert result.memory.peak_ram_mib is not None
    assert result.memory.peak_ram_mib > 60 or result.error.notice.code == "memory_limit_by_kernel"


def test_the_memory_of_workers_counts_towards_the_limit(run_script: RunScript) -> None:
    worker = "import time; held = bytearray(b'x') * (40 << 20); time.sleep(60)"
    result = run_script(
        f'for _ in range(2): subprocess.Popen([sys.executable, "-I", "-S", "-c", {worker!r}])\ntime.sleep(60)',
        memory_limit="70MiB",
    )
    assert result.status is Status.OUT_OF_MEMORY


def test_memory_within_the_limit_is_left_alone(run_script: RunScript) -> None:
    script = "held = bytearray(b'x') * (20 << 20); time.sleep(0.5); write_outcome()"
    assert run_script(script, memory_limit="100MiB").status is Status.OK


def test_a_child_that_eats_memory_and_ignores_the_warning(run_script: RunScript) -> None:
    script = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        held = []
        while True: held.append(bytearray(b"x") * (8 << 20)); time.sleep(0.01)
    """
    result = run_script(script, memory_limit="80MiB")
    assert result.status is Status.OUT_OF_MEMORY
    assert result.timings.total_seconds is not None


@pytest.mark.parametrize(
    ("own", "told_apart", "status", "notice"),
    [
        (1, True, Status.OUT_OF_MEMORY, Notice.of("killed_by_kernel")),
        (0, True, Status.FAILED, Notice.of("killed_by_signal", signal="SIGKILL")),
        (0, False, Status.FAILED, Notice.of("killed_while_short", count=1)),
    ],
)
def test_the_kernels_own_kill_is_distinguished_from_others(
    run_script: RunScript, monkeypatch: pytest.MonkeyPatch, own: int, told_apart: bool, status: Status, notice: Notice
) -> None:
    """The kernel kills one process of the machine meanwhile, in the cell's group or in another's."""
    counts = iter([OomKills(4, 7, told_apart), OomKills(4 + own, 8, told_apart)])
    monkeypatch.setattr(exit_status, "oom_kills", lambda: next(counts))
    result = run_script("os.kill(os.getpid(), signal.SIGKILL); time.sleep(60)")
    assert result.status is status
    assert result.error is not None
    assert result.error.notice == notice


def test_a_child_that_is_refused_memory_by_the_kernel(run_script: RunScript) -> None:
    script = """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
        held = []
        try:
            while True: held.append(bytearray(16 << 20))
        except MemoryError:
            held.clear()
            write_outcome(status="out_of_memory", error=failure("MemoryError", "out of memory"))
    """
    assert run_script(script).status is Status.OUT_OF_MEMORY


def test_progress_carries_what_the_child_reports(run_script: RunScript) -> None:
    reported: list[Progress] = []
    run_script('progress(phase="train", epoch=1.5, epochs=3); time.sleep(3); write_outcome()', reported)
    assert Progress(phase="train", epoch=1.5, epochs=3) in reported


def test_a_broken_progress_file_disturbs_nothing(run_script: RunScript) -> None:
    script = 'open(folder + "/progress.json", "w").write("[1"); time.sleep(0.7); write_outcome()'
    assert run_script(script).status is Status.OK


def test_clock_set_back_by_a_day(run_script: RunScript, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class _Backwards(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            calls.append(1)
            return cls(2030, 1, 2 if len(calls) == 1 else 1, tzinfo=tz)

    monkeypatch.setattr(local, "datetime", _Backwards)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    result = run_script("time.sleep(0.2); write_outcome()", time_limit=30)
    assert result.status is Status.OK
    assert result.timings.total_seconds is not None
    assert 0.2 <= result.timings.total_seconds < 24 * 3600
    assert result.started is not None
    assert result.finished is not None
    assert result.started < result.finished
