"""The child's own frame around its phases, which are replaced here by a few lines without torch."""

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

from bench.errors import RunError
from bench.execution.local import LocalExecutor
from bench.execution.messages.job import Job
from bench.results.notice import Notice
from bench.results.schema import CellResult, Status
from bench.study.schema import Budget

FRAME = """
import os, signal, sys, time, types
phases = types.ModuleType("bench.execution.worker.pipeline")
sys.modules["bench.execution.worker.pipeline"] = phases
import bench.execution.worker
bench.execution.worker.pipeline = phases
from bench.results.schema import InferenceProfile, Memory, Timings
def run(job, threads, record, reporter):
{body}
phases.run = run
from bench.execution.worker.main import main
sys.exit(main(sys.argv[1:]))
"""

Phases = Callable[[str], CellResult]


def _command(body: str) -> tuple[str, ...]:
    indented = textwrap.indent(textwrap.dedent(body), "    ")
    return (sys.executable, "-P", "-c", FRAME.format(body=indented))


@pytest.fixture
def phases(job: Job) -> Phases:
    reported: list[object] = []
    return lambda body: LocalExecutor(_command(body)).run(job, Budget(), on_progress=reported.append)


def test_a_whole_cell(phases: Phases, job: Job) -> None:
    result = phases("""
        record.add(Memory(baseline_mib=1.0))
        reporter.phase("data")
        held = bytearray(b"x") * (60 << 20)
        time.sleep(1)
        del held
        record.add(Timings(data_seconds=0.25))
        reporter.phase("model")
        time.sleep(1)
        record.tested({"accuracy": 1.0}, ())
    """)
    assert result.status is Status.OK
    assert result.timings.import_seconds is not None
    assert result.timings.data_seconds == 0.25
    memory = result.memory
    assert memory.interpreter_mib is not None
    assert memory.by_phase["data"] - memory.by_phase["model"] == pytest.approx(60, rel=0.05)
    assert memory.hwm_by_phase["data"] - memory.hwm_by_phase["model"] == pytest.approx(60, rel=0.05)
    assert memory.peak_ram_hwm_mib == pytest.approx(max(memory.hwm_by_phase.values()), rel=0.01)
    assert memory.peak_ram_mib == pytest.approx(memory.by_phase["data"])


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("from bench.errors import DeviceError; raise DeviceError('no cuda here')", Status.UNAVAILABLE, "DeviceError"),
        ("from bench.errors import DataError; raise DataError('cut short')", Status.FAILED, "DataError"),
        ("raise MemoryError", Status.OUT_OF_MEMORY, "MemoryError"),
        ("class OutOfMemoryError(RuntimeError): pass\nraise OutOfMemoryError('2 GiB')", "out_of_memory", "OutOfMemor"),
        (
            "raise RuntimeError('[enforce fail] DefaultCPUAllocator: can\\'t allocate memory: 9 bytes')",
            Status.OUT_OF_MEMORY,
            "RuntimeError",
        ),
        ("class Diverged(Exception): pass\nraise Diverged('the loss is nan')", Status.DIVERGED, "Diverged"),
        ("class ModelZooError(Exception): pass\nraise ModelZooError('no head')", Status.FAILED, "ModelError"),
        ("raise ZeroDivisionError('by zero')", Status.FAILED, "ZeroDivisionError"),
        ("sys.exit(0)", Status.FAILED, "no result"),
    ],
)
def test_endings_by_exception(phases: Phases, body: str, status: Status, kind: str) -> None:
    result = phases("record.add(Timings(model_seconds=2.0))\nreporter.phase('train')\n" + body)
    assert result.status == status
    assert result.error is not None
    assert result.error.kind.startswith(kind)
    assert result.timings.model_seconds == 2.0


def test_a_full_disk_in_the_child_is_not_the_cells_fault(phases: Phases) -> None:
    with pytest.raises(RunError, match=r"could not write its files \(OSError: .*No space left on device"):
        phases("open('/dev/full', 'w', buffering=1).write('text\\n')")


NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))\n"
"""No file can grow past 64 KiB: what a full disk is to one process."""

CHECKPOINT = """
import torch
from bench.training.checkpoint import Checkpoint
Checkpoint(job.folder / "checkpoint.pt", "key", 0).save({"weights": torch.zeros(2**18)})
"""
DISK = {
    "checkpoint": CHECKPOINT,
    "raw samples": "import numpy; from bench.results.through import save_array\n"
    "save_array(job.folder / 'steps.npy', numpy.zeros(2**16))",
    "progress": "reporter.phase('x' * 2**17)",
    "outcome": "record.tested({'x' * 2**17: 1.0}, ())",
    "log": "while True: print('x' * 1000, flush=True)",
    "hidden by a library": "try:\n    open('/dev/full', 'w', buffering=1).write('\\n')\n"
    "except OSError:\n    raise RuntimeError('something went wrong')",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files")
@pytest.mark.parametrize("what", DISK)
def test_a_disk_that_fills_up_in_any_phase_leaves_the_cell_due(phases: Phases, job: Job, what: str) -> None:
    with pytest.raises(RunError, match=r"could not write its files .*make room, then run the same command") as caught:
        phases(NO_ROOM + DISK[what])
    assert str(job.folder) in str(caught.value)
    assert not [
        p.name for p in job.folder.iterdir() if p.name not in ("job.json", "log.txt", "history.jsonl", "progress.json")
    ]


def test_a_cell_whose_folder_is_gone_makes_none(phases: Phases, job: Job) -> None:
    with pytest.raises(RunError, match="could not write its files"):
        phases("import shutil; shutil.rmtree(job.folder.parent)\nreporter.phase('train')")
    assert not job.folder.parent.exists()


@pytest.mark.parametrize("phase", ["start", "data", "model", "warm-up", "train", "evaluate"])
def test_kill_9_in_every_phase(phases: Phases, phase: str) -> None:
    result = phases(f"""
        if {phase!r} == "start":
            os.kill(os.getpid(), signal.SIGKILL)
        for name in ("data", "model", "warm-up", "train", "evaluate"):
            reporter.phase(name)
            if name == {phase!r}:
                os.kill(os.getpid(), signal.SIGKILL)
            record.add(Timings(**{{name.replace("-", "") + "_seconds": 1.0}}))
    """)
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == "SIGKILL"
    order = ["data", "model", "warmup", "train", "evaluate"]
    done = order[: order.index(phase.replace("-", ""))] if phase != "start" else []
    kept = {name for name in order if getattr(result.timings, f"{name}_seconds") is not None}
    assert kept == set(done)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel signals a child at its parent's end on Linux"
)
def test_a_child_does_not_outlive_its_parent(job: Job, tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    job.folder.mkdir(parents=True)
    parent_code = f"""
import os, subprocess, sys, time
path = {str(tmp_path / "job.json")!r}
open(path, "w").write({job.model_dump_json()!r})
subprocess.Popen([*{_command(body)!r}, path, str(os.getpid()), repr(time.monotonic())])
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-P", "-c", parent_code])
    end = time.monotonic() + 240
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
        assert time.monotonic() < end
        time.sleep(0.05)
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    gone, _ = psutil.wait_procs([child], timeout=120)
    assert gone or child.status() == psutil.STATUS_ZOMBIE


def test_a_profile_after_the_result_does_not_count_towards_it(phases: Phases) -> None:
    result = phases("""
        reporter.phase("evaluate")
        time.sleep(1)
        record.tested({"accuracy": 0.5}, ())
        def later(store):
            held = bytearray(b"x") * (80 << 20)
            time.sleep(1.5)
            timing = {"batch_size": 1, "seconds": [0.25] * 100}
            record.profiled((InferenceProfile(backend="eager", batches=[timing]),))
            store()
        return later
    """)
    assert result.status is Status.OK
    assert result.inference.latency_p50_ms == 250
    assert result.inference.throughput_img_s == 4
    memory, timings = result.memory, result.timings
    assert memory.peak_ram_mib is not None
    assert memory.by_phase["inference"] - memory.peak_ram_mib == pytest.approx(80, rel=0.05)
    assert memory.peak_ram_hwm_mib is not None
    assert memory.hwm_by_phase["inference"] - memory.peak_ram_hwm_mib == pytest.approx(80, rel=0.05)
    assert timings.inference_seconds is not None
    assert timings.inference_seconds > 1.5
    assert timings.total_seconds is not None
    assert timings.import_seconds is not None
    assert 1 <= timings.total_seconds - timings.import_seconds < 1 + timings.inference_seconds


@pytest.mark.parametrize(
    ("last", "budget", "code", "why"),
    [
        ("raise RuntimeError('no compiler')", {}, "failed_in_profile", ("exit_code", 1)),
        ("os.kill(os.getpid(), signal.SIGKILL)", {}, "failed_in_profile", ("killed_by_signal", "SIGKILL")),
        ("time.sleep(600)", {"time_limit": 10}, "profile_cut_short", ("time_limit", 10.0)),
        (
            *("held = bytearray(b'x') * (300 << 20); time.sleep(600)", {"memory_limit": "200MiB"}),
            *("profile_cut_short", ("memory_limit", 200.0)),
        ),
    ],
)
def test_what_goes_wrong_in_the_profile_leaves_the_result(
    job: Job, last: str, budget: dict[str, object], code: str, why: tuple[str, object]
) -> None:
    body = f"""
        record.tested({{"accuracy": 0.5}}, ())
        def later(store):
            timing = {{"batch_size": 1, "seconds": [0.25]}}
            record.profiled((InferenceProfile(backend="eager", batches=[timing]),))
            store()
            {last}
        return later
    """
    reported: list[object] = []
    result = LocalExecutor(_command(body)).run(job, Budget.model_validate(budget), on_progress=reported.append)
    assert result.status is Status.OK
    assert result.metrics == {"accuracy": 0.5}
    assert result.inference.latency_p50_ms == 250
    late = result.context.late_failure
    assert late is not None
    assert late.code == code
    (reason,) = late.values.values()
    assert isinstance(reason, Notice)
    assert reason.code.startswith(why[0])  # the kernel may have been quicker than the watch
    assert why[1] in reason.values.values()
