"""Pages of processes together, against known amounts; and what a sample makes of a reading that cannot be."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from bench.measure import memory
from bench.measure.held_files import HeldFiles, memory_devices
from bench.measure.memory import APART, MemoryWatch
from bench.measure.monitor import _at_least
from bench.measure.pages import mapped_twice_mib, tree_mib
from bench.measure.proc_status import ProcStatus, high_water_mib, proc_status, resident_mib, share_memory
from bench.results.notice import Notice

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux'")

MIB = 1 << 20


def _resident() -> float:
    found = resident_mib()
    assert found is not None
    return found


def _tree(held: dict[tuple[int, int], int] | None = None) -> float:
    found = tree_mib([os.getpid()], held or {})
    assert found is not None
    return found


def test_one_process_is_its_resident_set() -> None:
    """Read one after the other, so they differ by what this process did meanwhile."""
    assert _tree() == pytest.approx(_resident(), abs=4)
    mark = high_water_mib()
    assert mark is not None
    assert mark >= _resident() - 1


def test_a_file_that_is_mapped_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(50 * MIB))
    before = _tree()
    with path.open("rb") as file:
        maps = [mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) for _ in range(2)]
        begun = _resident()
        assert sum(map(len, (one[:: mmap.PAGESIZE] for one in maps))) > 0
        assert _resident() - begun == pytest.approx(100, abs=4)
        assert _tree() - before == pytest.approx(50, abs=4)
        assert mapped_twice_mib([os.getpid()], {}) == pytest.approx(50, abs=2)
        for one in maps:
            one.close()


def test_parts_of_a_file_that_overlap(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(40 * MIB))
    with path.open("rb") as file:
        low = mmap.mmap(file.fileno(), 30 * MIB, prot=mmap.PROT_READ)
        high = mmap.mmap(file.fileno(), 30 * MIB, prot=mmap.PROT_READ, offset=10 * MIB)
        assert len(low[:: mmap.PAGESIZE]) == len(high[:: mmap.PAGESIZE])
        assert mapped_twice_mib([os.getpid()], {}) == pytest.approx(20, abs=1)
        low.close()
        high.close()


def test_private_copies_of_a_files_pages_count_each(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(20 * MIB))
    with path.open("rb") as file:
        maps = [mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) for _ in range(2)]
        for one in maps:
            one[:: mmap.PAGESIZE] = b"x" * (20 * MIB // mmap.PAGESIZE)
        assert mapped_twice_mib([os.getpid()], {}) == pytest.approx(0, abs=1)
        for one in maps:
            one.close()


def test_files_without_a_name_and_files_that_were_written() -> None:
    held = HeldFiles(time.time() - 1)
    descriptor = os.memfd_create("x")
    try:
        os.write(descriptor, bytes(5 * MIB))
        found = held.find([os.getpid()])
        key = os.fstat(descriptor).st_dev, os.fstat(descriptor).st_ino
        assert key[0] in memory_devices()
        assert found[key] == 5 * MIB
        assert mapped_twice_mib([os.getpid()], {key: 5 * MIB}) == pytest.approx(-5, abs=1)
    finally:
        os.close(descriptor)
    assert key not in held.find([os.getpid()])


def test_file_systems_in_memory_are_known_by_their_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 0:21 / /dev/shm rw - tmpfs tmpfs rw\n23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\nbroken\n"
    )
    found = memory_devices(mounts)
    assert os.makedev(0, 21) in found
    assert os.makedev(8, 1) not in found
    assert memory_devices(tmp_path / "none") <= found


def test_processes_that_are_gone_count_nothing() -> None:
    gone = 2**22 + 1  # above the highest process id
    assert proc_status(gone) is None
    assert tree_mib([gone], {}) == 0
    assert tree_mib([os.getpid(), gone], {}) == pytest.approx(_resident(), abs=4)


class _World:
    """Processes whose figures are made up: a list of statuses a sample, the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: dict[int, ProcStatus], pages: Sequence[float] = ()):
        self._looks, self._pages, self.readings = list(looks), list(pages), 0
        monkeypatch.setattr(memory, "proc_status", lambda pid: self._now.get(pid))
        monkeypatch.setattr(memory, "share_memory", lambda *_: False)
        monkeypatch.setattr(memory, "mapped_twice_mib", lambda *_: 0.0)
        monkeypatch.setattr(memory, "tree_mib", self._tree)

    def processes(self) -> list[int]:
        self._now = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return [1, *(pid for pid in self._now if pid != 1)]

    def _tree(self, *_: object) -> float:
        self.readings += 1
        return self._pages.pop(0)


def _one(resident: float, mark: float, parent: int = 0, mapped: float = 0.0) -> ProcStatus:
    return ProcStatus(resident, mark, mapped=mapped or resident, parent=parent)


def test_a_fork_in_the_middle_of_a_reading_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process was read before the fork, the fork after it: 150 and half of 150."""
    alone, helper, fork = _one(150, 150), _one(10, 10, 1, 11), _one(140, 140, 1, 151)
    world = _World(
        monkeypatch,
        {1: alone, 2: helper},
        {1: alone, 2: helper, 3: fork},
        {1: alone, 2: helper, 3: fork},
        pages=[235.0, 161.0],
    )
    watch = MemoryWatch(world.processes)
    assert watch.sample("train") == 161
    assert world.readings == 2


def test_a_reading_below_the_largest_process_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork that was there for a moment only has taken half of every page with it."""
    world = _World(monkeypatch, {1: _one(150, 150), 2: _one(10, 10, 1, 11)}, pages=[85.0, 160.0])
    assert MemoryWatch(world.processes).sample("train") == 160


VFORK = """
import os, sys
print(os.getpid(), flush=True)
# between vfork and exec: what is executed is a pipe that nobody writes to yet
os.posix_spawn(sys.argv[1], [sys.argv[1]], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 9, sys.argv[2], os.O_RDONLY, 0)])
"""


def test_a_process_between_vfork_and_exec_has_no_memory_of_its_own(tmp_path: Path) -> None:
    """It is held there by opening a pipe that nobody writes to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = [sys.executable, "-I", "-S", "-c", VFORK, "/bin/true", str(pipe)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = psutil.Process(process.pid).children()
        while not children:
            children = psutil.Process(process.pid).children()
        assert share_memory(children[0].pid, process.pid)
        assert not share_memory(os.getpid(), process.pid)
        watch = MemoryWatch(lambda: [process.pid, children[0].pid])
        alone = proc_status(process.pid)
        assert alone is not None
        assert watch.sample("train") == pytest.approx(alone.resident, abs=1)
        pipe.write_bytes(b"")


def test_a_fork_has_memory_of_its_own() -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    try:
        assert not share_memory(pid, os.getpid())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_where_the_kernel_does_not_compare_the_sizes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.measure.proc_status._KCMP", {})
    assert share_memory(os.getpid(), os.getpid())
    assert not share_memory(os.getpid(), os.getppid())


def test_a_rise_between_two_samples_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _World(monkeypatch, {1: _one(100, 100)}, {1: _one(100, 400)}, {1: _one(100, 400)})
    watch = MemoryWatch(world.processes)
    assert [watch.sample("train") for _ in range(3)] == [100, 400, 100]
    assert (watch.peak_mib, watch.by_phase) == (400, {"train": 400})


def test_a_process_that_ends_in_the_middle_of_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pages of a file are in its resident set, and a moment later the file is held and not mapped any more."""
    _World(monkeypatch, {})
    seen = iter([_one(50, 50), _one(50, 50), ProcStatus(150, 150, of_files=100), None])
    monkeypatch.setattr(memory, "proc_status", lambda _: next(seen))
    monkeypatch.setattr(HeldFiles, "find", lambda *_: {(0, 1): 100 << 20})
    monkeypatch.setattr(memory, "mapped_twice_mib", lambda *_: -100.0)
    watch = MemoryWatch(lambda: [1])
    assert [watch.sample("train"), watch.sample("train")] == [150, None]
    assert watch.peak_mib == 150


def test_a_rise_at_the_border_of_two_phases_belongs_to_neither_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _World(monkeypatch, {1: _one(100, 100)}, {1: _one(100, 400)})
    watch = MemoryWatch(world.processes)
    watch.sample("train")
    watch.sample("evaluate")
    assert (watch.peak_mib, watch.by_phase) == (400, {"train": 100, "evaluate": 100})


def test_a_mark_that_was_set_anew_tells_of_the_time_since(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _World(monkeypatch, {1: _one(100, 400)}, {1: _one(100, 100)}, {1: _one(100, 300)})
    watch = MemoryWatch(world.processes)
    assert [watch.sample(phase) for phase in ("train", APART, APART)] == [400, 100, 300]
    assert watch.peak_mib == 400
    assert watch.by_phase[APART] == 300


def test_a_rise_of_processes_that_were_not_there_together_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child had 300 before it started two workers, or while it had them: nobody knows."""
    worker = _one(50, 50, 1, 60)
    world = _World(monkeypatch, {1: _one(100, 100)}, {1: _one(100, 300), 2: worker, 3: worker}, pages=[190.0])
    watch = MemoryWatch(world.processes)
    watch.sample("train")
    assert watch.sample("train") == 190
    assert watch.unread_mib == 200


def test_a_height_for_which_there_was_no_allowance_is_made_up_by_a_later_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers that share much with the child: their resident sets say little until their pages are read."""
    first, later = {1: _one(100, 100), 2: _one(90, 90, 1, 60)}, {1: _one(100, 100), 2: _one(99, 99, 1, 60)}
    world = _World(monkeypatch, first, first, later, pages=[110.0, 111.0])
    watch = MemoryWatch(world.processes)
    watch.sample("train")
    watch._credit = -1.0
    watch.sample("train")
    assert (watch.peak_mib, watch.unread_mib) == (110, 9)
    watch._credit = 1.0
    watch.sample("train")
    assert (watch.peak_mib, watch.unread_mib) == (111, 0)


def test_a_limit_is_watched_without_reading_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading holds until the resident sets have grown by what is left to the limit, or for a second."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    few, more = {1: _one(100, 100), 2: _one(90, 90, 1, 60)}, {1: _one(100, 100), 2: _one(140, 140, 1, 60)}
    world = _World(monkeypatch, *[few] * 5, more, pages=[110.0, 112.0, 161.0])
    watch = MemoryWatch(world.processes)
    watch._credit = -1e9
    found = []
    for now in (0.1, 0.2, 1.5, 1.6):  # noqa: B007 - the clock
        found.append(watch.sample("train", 150))
    assert found == [110, None, 112, 161]


def test_where_pages_cannot_be_read_the_method_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _World(monkeypatch, {1: _one(100, 100), 2: _one(50, 50, 1, 60)})
    monkeypatch.setattr(memory, "tree_mib", lambda *_: None)
    watch = MemoryWatch(world.processes)
    assert watch.method == Notice.of("own_pages_sampled")
    assert watch.sample("train") == 150
    assert watch.method == Notice.of("rss_sampled")


def test_gaps_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stopped = ProcStatus(100, 100, is_stopped=True)
    world = _World(monkeypatch, {1: _one(100, 100)}, {1: stopped}, {1: stopped}, {1: _one(100, 100)})
    watch = MemoryWatch(world.processes)
    for now in (0.1, 0.2, 0.3, 5.3):  # noqa: B007 - the clock
        watch.sample("train")
    watch.end(ended=6.0, seen=20.0)
    assert watch.interval == pytest.approx(0.1)
    assert watch.longest_gap == pytest.approx(5.0)
    assert watch.stood_still == pytest.approx(14.7)
    assert watch.stopped == pytest.approx(0.2)


def test_the_childs_own_marks_fill_in_what_was_not_seen() -> None:
    seen = {"start": 50.0, "train": 90.0}
    marks = {"data": 60.0, "train": 100.0, APART: 10.0}
    assert list(_at_least(seen, marks, 0.0).items()) == [
        ("start", 50.0),
        ("data", 60.0),
        ("train", 100.0),
        (APART, 10.0),
    ]
    assert _at_least(seen, {"train": 100.0}, 20.0)["train"] == 90.0
    assert _at_least(seen, {}, 0.0) == seen
