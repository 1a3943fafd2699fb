"""What is measured against what is known: children that sleep, compute and allocate known amounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.results.schema import CellResult

RunScript = Callable[..., CellResult]

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("work", ["time.sleep(8)", "while time.monotonic() < begun + 8: sum(range(10_000))"])
def test_the_total_is_what_the_child_took(run_script: RunScript, work: str) -> None:
    """Within 2 % of its own account, which begins after the interpreter has started; asleep and at work."""
    result = run_script(f"""
        begun = time.monotonic()
        {work}
        before = begun - float(sys.argv[3])
        write_outcome(timings={{"train_seconds": time.monotonic() - begun, "import_seconds": before}})
    """)
    timings = result.timings
    total, own, before = timings.total_seconds, timings.train_seconds, timings.import_seconds
    assert total is not None
    assert own is not None
    assert before is not None
    assert total - before == pytest.approx(own, rel=0.02)
    assert own == pytest.approx(8, rel=0.02)


def _peak(result: CellResult) -> float:
    assert result.memory.peak_ram_mib is not None
    return result.memory.peak_ram_mib


def test_memory_in_known_steps(run_script: RunScript) -> None:
    """Each step holds 50 MiB more than the one before: within 5 %, by PSS and by phase."""
    result = run_script(f"""
        held = []
        for step in range(5):
            progress(phase=str(step))
            time.sleep(0.25)
            held.append(bytearray(b"x") * (50 * {MIB}))
            time.sleep(0.25)
        write_outcome()
    """)
    phases = result.memory.by_phase
    for step in range(1, 5):
        assert phases[str(step)] - phases[str(step - 1)] == pytest.approx(50, rel=0.05)
    assert _peak(result) == phases["4"]
    assert result.memory.peak_ram_hwm_mib is not None
    assert result.memory.peak_ram_hwm_mib == pytest.approx(_peak(result), rel=0.05, abs=12)  # libraries counted whole


def test_memory_that_is_freed_before_the_end_counts(run_script: RunScript) -> None:
    script = f"""
        progress(phase="before"); time.sleep(0.4)
        progress(phase="peak")
        held = bytearray(b"x") * (200 * {MIB})
        time.sleep(0.3)
        del held
        progress(phase="after"); time.sleep(0.4)
        write_outcome()
    """
    memory = run_script(script).memory
    assert memory.by_phase["peak"] - memory.by_phase["before"] == pytest.approx(200, rel=0.05)
    assert memory.by_phase["after"] == pytest.approx(memory.by_phase["before"], abs=10)
    assert memory.peak_ram_mib == memory.by_phase["peak"]


def test_memory_of_a_worker_counts(run_script: RunScript) -> None:
    worker = f"import time; time.sleep(0.3); held = bytearray(b'x') * (100 * {MIB}); time.sleep(0.5)"
    alone = _peak(run_script("time.sleep(0.5); write_outcome()"))
    both = _peak(
        run_script(f'subprocess.run([sys.executable, "-I", "-S", "-c", {worker!r}]); time.sleep(0.2); write_outcome()')
    )
    assert both - alone == pytest.approx(100 + alone, rel=0.05, abs=3)


def test_pages_that_forked_workers_share_count_once(run_script: RunScript) -> None:
    """Four forked workers that only read the parent's 150 MiB add little: RSS would be 750."""
    result = run_script(f"""
        held = bytearray(b"x") * (150 * {MIB})
        pids = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                time.sleep(0.8)
                os._exit(0)
            pids.append(pid)
        for pid in pids: os.waitpid(pid, 0)
        write_outcome()
    """)
    assert 150 < _peak(result) < 150 * 1.05 + 30


def test_the_parent_sleeps_while_the_child_runs(run_script: RunScript) -> None:
    """Watching takes under 1 % of a core; the child works, holds memory and reports its progress meanwhile.

    What starting, ending and storing a cell takes is no part of that: a trivial cell's time is taken off.
    """

    def spent(script: str) -> float:
        before = time.process_time()
        run_script(script)
        return time.process_time() - before

    spent("write_outcome()")  # what is imported or compiled once
    fixed = min(spent("write_outcome()") for _ in range(3))
    begun = time.perf_counter()
    whole = spent(f"""
        held = bytearray(b"x") * (300 * {MIB})
        end = time.monotonic() + 6
        while time.monotonic() < end:
            progress(phase="train", epoch=time.monotonic())
            time.sleep(0.4)
            sum(range(3_000_000))
        write_outcome()
    """)
    assert (whole - fixed) / (time.perf_counter() - begun) < 0.01
