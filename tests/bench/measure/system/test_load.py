from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.measure.system.load import LoadWatch, Snapshot, snapshot
from bench.results.environment import SystemLoad


def test_what_others_used_is_the_machine_less_ones_own() -> None:
    before = Snapshot(busy=100.0, steal=1.0, own=10.0, throttles=3, cpu_throttled=0.5)
    after = Snapshot(busy=130.0, steal=2.0, own=20.0, throttles=4, cpu_throttled=2.5)
    found = LoadWatch(before).load(after, 10.0)
    assert found.other_cores == 2.0
    assert found.thermal_throttles == 1
    assert found.cpu_throttled_seconds == 2.0


def test_what_the_system_does_not_report_is_unknown(tmp_path: Path) -> None:
    shot = snapshot(tmp_path, tmp_path)
    assert LoadWatch(shot).load(shot, 1.0) == SystemLoad()


def test_counts_are_read_from_the_systems_files(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  1000 200 300 9999 50 10 20 70 5 5\ncpu0 1 2 3\n")
    for core, count in enumerate((3, 4)):
        folder = tmp_path / f"devices/system/cpu/cpu{core}/thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    (tmp_path / "fs" / "cgroup").mkdir(parents=True)
    (tmp_path / "fs" / "cgroup" / "cpu.stat").write_text("usage_usec 9\nthrottled_usec 1500000\n")
    shot = snapshot(tmp_path, tmp_path)
    assert shot.busy == pytest.approx(15.3)
    assert shot.steal == pytest.approx(0.7)
    assert shot.throttles == 7
    assert shot.cpu_throttled == 1.5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/stat")
def test_another_process_is_seen_and_an_own_one_is_not_counted_as_another() -> None:
    work = "import time\nwhile time.process_time() < 1: pass"
    before = snapshot()
    begun = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", work])
    child.wait()
    mine = snapshot()
    own = mine.own - before.own
    found = LoadWatch(before).load(mine, time.monotonic() - begun)
    assert own > 0.9
    assert mine.busy is not None
    assert before.busy is not None
    assert found.other_cores == pytest.approx(
        max(0.0, mine.busy - before.busy - own) / (time.monotonic() - begun), abs=0.2
    )
