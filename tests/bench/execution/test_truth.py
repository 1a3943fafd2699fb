"""What is measured against what is known: children that sleep, compute and allocate known amounts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from bench.execution.messages.job import Job
from bench.measure.monitor import Monitor
from bench.results.files import write_atomic
from bench.results.schema import CellResult
from tests.known import known

RunScript = Callable[..., CellResult]

MIB = 1 << 20
UNTIL_SEEN = """
def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
def seen(phase, *others):
    # Wait until the parent has read about as much in this phase as there is, however busy the machine is; no longer
    # than a minute, so that memory that is not seen fails the test.
    whole, end = sum(map(pss, ("self", *others))), time.monotonic() + 60
    while time.monotonic() < end:
        if os.path.exists(folder + "/seen.json"):
            with open(folder + "/seen.json") as file:
                if json.load(file).get(phase, 0) > 0.99 * whole:
                    return
        time.sleep(0.02)
def reach(phase, mib):
    # Wait until the parent has seen so many MiB in this phase; no longer than a minute.
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if os.path.exists(folder + "/seen.json"):
            with open(folder + "/seen.json") as file:
                if json.load(file).get(phase, 0) >= mib:
                    return
        time.sleep(0.02)
"""


@pytest.fixture
def watched(run_script: RunScript, job: Job, monkeypatch: pytest.MonkeyPatch) -> RunScript:
    """Runs a script that has ``seen(phase)`` too, which returns when its memory has been read from outside."""
    poll = Monitor.poll

    def telling(monitor: Monitor, phase: str, limit_mib: float | None = None) -> float | None:
        found = poll(monitor, phase, limit_mib)
        if found is not None and monitor._memory is not None:
            write_atomic(job.folder / "seen.json", json.dumps(monitor._memory.by_phase))
        return found

    monkeypatch.setattr(Monitor, "poll", telling)
    return lambda script: run_script(UNTIL_SEEN + script)


@pytest.mark.parametrize("work", ["time.sleep(8)", "while time.monotonic() < begun + 8: sum(range(10_000))"])
def test_the_total_is_what_the_child_took(run_script: RunScript, work: str) -> None:
    """Within 2 % of its own account, which begins after the interpreter has started; asleep and at work.

    Other work on the machine can only add, when the interpreter ends: the best of three counts.
    """

    def off() -> float:
        """How far the total is from the child's own account, as a share of it."""
        result = run_script(f"""
            begun = time.monotonic()
            {work}
            before = begun - float(sys.argv[3])
            write_outcome(timings={{"train_seconds": time.monotonic() - begun, "import_seconds": before}})
        """)
        timings = result.timings
        own = known(timings.train_seconds)
        return abs(known(timings.total_seconds) - known(timings.import_seconds) - own) / own

    least = off()
    for _again in range(2):
        least = min(least, off()) if least > 0.02 else least
    assert least < 0.02


def _peak(result: CellResult) -> float:
    assert result.memory.peak_ram_mib is not None
    return result.memory.peak_ram_mib


def test_memory_in_known_steps(watched: RunScript) -> None:
    """Each step holds 50 MiB more than the one before: within 5 %, also by phase."""
    result = watched(f"""
held = []
for step in range(5):
    progress(phase=str(step))
    held.append(bytearray(b"x") * (50 * {MIB}))
    seen(str(step))
write_outcome()
""")
    phases = result.memory.by_phase
    for step in range(1, 5):
        assert phases[str(step)] - phases[str(step - 1)] == pytest.approx(50, rel=0.05)
    assert _peak(result) == pytest.approx(phases["4"], rel=0.01)  # a rise between two phases is of neither alone
    assert result.memory.peak_ram_hwm_mib is not None
    assert result.memory.peak_ram_hwm_mib == pytest.approx(_peak(result), rel=0.05)


def test_memory_that_is_freed_before_the_end_counts(watched: RunScript) -> None:
    script = f"""
progress(phase="before"); seen("before")
progress(phase="peak")
held = bytearray(b"x") * (200 * {MIB})
seen("peak")
del held
progress(phase="after"); seen("after")
write_outcome()
"""
    memory = watched(script).memory
    assert memory.by_phase["peak"] - memory.by_phase["before"] == pytest.approx(200, rel=0.05)
    assert memory.by_phase["after"] == pytest.approx(memory.by_phase["before"], abs=10)
    assert memory.peak_ram_mib == pytest.approx(memory.by_phase["peak"], rel=0.01)


def test_memory_of_a_worker_counts(watched: RunScript) -> None:
    worker = f"held = bytearray(b'x') * (100 * {MIB}); print('held', flush=True); input()"
    alone = _peak(watched('progress(phase="train"); seen("train"); write_outcome()'))
    both = _peak(
        watched(f"""
progress(phase="train")
started = [sys.executable, "-I", "-S", "-c", {worker!r}]
with subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
    other.stdout.readline()
    seen("train", other.pid)
    other.communicate(b"done\\n")
write_outcome()
""")
    )
    assert 100 < both - alone < 105 + alone  # and what the worker's interpreter does not share


def test_pages_that_forked_workers_share_count_once(watched: RunScript) -> None:
    """Four forked workers that only read the parent's 150 MiB add little: RSS would be 750."""
    result = watched(f"""
held = bytearray(b"x") * (150 * {MIB})
pids = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    pids.append(pid)
progress(phase="train")
seen("train", *pids)
for pid in pids: os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
write_outcome()
""")
    assert 150 < _peak(result) < 150 * 1.05 + 30


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 200 MiB that is mapped like a library."""
    path = tmp_path_factory.mktemp("library") / "lib"
    with path.open("wb") as file:
        for _ in range(200):
            file.write(b"x" * MIB)
    return path


LOADED = """
import mmap
file = open({path!r}, "rb")
loaded = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
sum(loaded[::4096])
"""


@pytest.fixture
def strangers(library: Path) -> Iterator[None]:
    """Three processes outside of the cell that have loaded the same library."""
    code = LOADED.format(path=str(library)) + "print(flush=True)\nimport time; time.sleep(600)"
    processes = [subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    yield
    for process in processes:
        process.kill()
        process.communicate()


def test_strangers_that_have_loaded_the_same_library_take_nothing_away(
    run_script: RunScript, library: Path, strangers: None
) -> None:
    loaded = textwrap.dedent(LOADED.format(path=str(library)))
    alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
    both = _peak(run_script(f"{loaded}\nheld = bytearray(b'x') * (100 * {MIB})\ntime.sleep(0.5)\nwrite_outcome()"))
    assert both - alone == pytest.approx(300, rel=0.05)


def test_what_a_tree_shares_counts_once_beside_strangers(
    watched: RunScript, run_script: RunScript, library: Path, strangers: None
) -> None:
    """A library, a map without a file, memory that is shared by fork; and each fork's own 20 MiB."""
    loaded, whole = LOADED.format(path=str(library)), 200 + 100 + 50 + 3 * 20
    alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
    result = watched(f"""
{loaded}
held = bytearray(b'x') * (100 * {MIB})
shared = mmap.mmap(-1, 50 * {MIB})
for place in range(0, len(shared), {MIB}): shared[place : place + {MIB}] = b"y" * {MIB}
read, write = os.pipe()
pids = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        sum(loaded[::4096]); sum(shared[::4096])
        own = bytearray(b'z') * (20 * {MIB})
        os.write(write, b"x")
        time.sleep(600)
        os._exit(0)
    pids.append(pid)
for pid in pids: os.read(read, 1)
reach("start", 0.97 * {whole})
for pid in pids: os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
write_outcome()
""")
    assert _peak(result) - alone == pytest.approx(whole, rel=0.05)


def test_a_library_that_only_workers_load_counts_once(
    watched: RunScript, run_script: RunScript, library: Path, strangers: None
) -> None:
    worker = LOADED.format(path=str(library)) + "print(flush=True); input()"
    alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
    both = _peak(
        watched(f"""
started = [sys.executable, "-I", "-S", "-c", {worker!r}]
both = [subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
for one in both: one.stdout.readline()
reach("start", 200)
for one in both: one.communicate(b"done\\n")
write_outcome()
""")
    )
    assert both - alone == pytest.approx(200, rel=0.05, abs=2 * alone)


def test_equal_cells_that_fork_again_and_again_read_the_same(run_script: RunScript) -> None:
    """Processes come and go at any moment of a reading; none counts with the pages of the one that forked it."""
    script = f"""
        held = bytearray(b"x") * (150 * {MIB})
        end = time.monotonic() + 2
        while time.monotonic() < end:
            pid = os.fork()
            if pid == 0:
                time.sleep(0.01)
                os._exit(0)
            os.waitpid(pid, 0)
            subprocess.run(["true"])
        write_outcome()
    """
    alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
    for _ in range(3):
        assert _peak(run_script(script)) - alone == pytest.approx(150, rel=0.05)


@pytest.mark.parametrize(
    "hold",
    [
        "[os.write(file, block) for _ in range(100)]",
        f"import mmap; os.truncate(file, 100 * {MIB}); held = mmap.mmap(file, 0); held.write(block * 100)",
        "import mmap; [os.write(file, block) for _ in range(100)]; "
        "held = mmap.mmap(file, 0); sum(held[: 50 << 20 : 4096])",
        f"import mmap; os.truncate(file, 100 * {MIB}); held = mmap.mmap(file, 0); held.write(block * 100); "
        "again = mmap.mmap(file, 0); sum(again[::4096])",
    ],
    ids=["unmapped", "mapped", "mapped in part", "mapped twice"],
)
@pytest.mark.parametrize("kind", ["memfd", "tmpfs", "deleted"])
def test_files_in_memory_count(run_script: RunScript, hold: str, kind: str) -> None:
    name = f"/dev/shm/patchbench-test-{os.getpid()}"
    if kind != "memfd" and not Path("/dev/shm").is_dir():
        pytest.skip("no /dev/shm")
    opened = {
        "memfd": "file = os.memfd_create('x')",
        "tmpfs": f"file = os.open({name!r}, os.O_RDWR | os.O_CREAT)",
        "deleted": f"file = os.open({name!r}, os.O_RDWR | os.O_CREAT); os.unlink({name!r})",
    }[kind]
    try:
        alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
        result = run_script(f"{opened}\nblock = b'x' * {MIB}\n{hold}\nblock = None\ntime.sleep(0.5)\nwrite_outcome()")
    finally:
        Path(name).unlink(missing_ok=True)
    extra = 100 if "block * 100" in hold else 0  # the string that is written is there for a moment, too
    assert 95 <= _peak(result) - alone <= 105 + extra


def test_a_file_in_memory_that_is_only_read_is_not_the_cells(run_script: RunScript) -> None:
    path = Path(f"/dev/shm/patchbench-test-{os.getpid()}")
    if not path.parent.is_dir():
        pytest.skip("no /dev/shm")
    try:
        path.write_bytes(b"x" * (100 * MIB))
        alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
        assert _peak(run_script(f"file = open({str(path)!r}); time.sleep(0.5); write_outcome()")) < alone + 5
    finally:
        path.unlink(missing_ok=True)


def test_a_peak_that_is_shorter_than_the_time_between_two_samples(run_script: RunScript) -> None:
    script = f"""
        for _ in range(5):
            time.sleep(0.15)
            held = bytearray(200 * {MIB})
            held[::4096] = b"x" * (200 * 256)
            del held
        time.sleep(0.3)
        write_outcome()
    """
    alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
    assert _peak(run_script(script)) - alone == pytest.approx(200, rel=0.05)


def test_a_plateau_while_the_process_that_measures_stands_still(run_script: RunScript, job: Job) -> None:
    """It is stopped over the whole plateau; the gap is recorded and told."""
    freezer = textwrap.dedent(f"""
        import os, signal, time
        os.kill({os.getpid()}, signal.SIGSTOP)
        time.sleep(3)
        os.kill({os.getpid()}, signal.SIGCONT)
    """)
    script = f"""
        time.sleep(0.5)
        subprocess.Popen([{sys.executable!r}, "-I", "-S", "-c", {freezer!r}])
        time.sleep(0.5)
        held = bytearray(b"x") * (300 * {MIB})
        time.sleep(1.5)
        del held
        time.sleep(2.5)
        write_outcome()
    """
    alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
    result = run_script(script)
    assert _peak(result) - alone == pytest.approx(300, rel=0.05, abs=25)  # the freezer is a process of the cell
    assert result.memory.longest_gap_seconds is not None
    assert result.memory.longest_gap_seconds > 2.5
    assert "watch_gap" in {notice.code for notice in result.context.notices}


def test_the_parent_sleeps_while_the_child_runs(run_script: RunScript, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent wakes ten times a second to look at the child, and does nothing else meanwhile.

    Counted in its own CPU time, of which looking takes a good part, and one look little more than the reading of
    the kernel's files; what starting, ending and storing a cell takes is a trivial cell's time.
    """
    poll, looks = Monitor.poll, list[float]()

    def timed(monitor: Monitor, phase: str, limit_mib: float | None = None) -> float | None:
        before = time.thread_time()
        found = poll(monitor, phase, limit_mib)
        looks.append(time.thread_time() - before)
        return found

    def spent(script: str) -> tuple[float, CellResult]:
        looks.clear()
        before = time.process_time()
        result = run_script(script)
        return time.process_time() - before, result

    monkeypatch.setattr(Monitor, "poll", timed)
    spent("write_outcome()")  # what is imported or compiled once
    fixed = min(spent("write_outcome()")[0] for _ in range(3))
    whole, result = spent(f"""
        held = bytearray(b"x") * (300 * {MIB})
        end = time.monotonic() + 6
        while time.monotonic() < end:
            progress(phase="train", epoch=time.monotonic())
            time.sleep(0.4)
            sum(range(3_000_000))
        write_outcome()
    """)
    lasted = result.timings.total_seconds
    assert lasted is not None
    assert len(looks) < lasted / 0.1 + 2
    assert whole - fixed < 8 * sum(looks)
    assert median(looks) < 50 * median(_reading() for _ in range(200))


def _reading() -> float:
    """CPU seconds that it takes to read once what the kernel says of a process's children and its memory."""
    before = time.thread_time()
    list(Path("/proc/self/task").iterdir())
    for name in ("statm", f"task/{os.getpid()}/children"):
        Path("/proc/self", name).read_bytes()
    return time.thread_time() - before
