from __future__ import annotations

from pathlib import Path

import pytest

from bench.measure.system.cgroups import (
    OomKills,
    cpu_quota,
    cpu_throttled,
    memory_limit,
    memory_room,
    oom_kills,
    own_group,
)

OLD = "7:cpu,cpuacct:/job\n4:memory:/job\n"
NEW = "0::/user.slice/job\n"
NO_LIMIT = "9223372036854771712\n"


def _tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_groups_of_a_process(tmp_path: Path) -> None:
    _tree(tmp_path, **{"user.slice/job/memory.max": "max", "memory/job/tasks": "", "cpu/tasks": ""})
    assert own_group("memory", tmp_path, NEW) == (tmp_path / "user.slice/job", None)
    assert own_group("memory", tmp_path, OLD) == (None, tmp_path / "memory/job")
    assert own_group("memory", tmp_path, "") == (None, None)


def test_a_path_that_a_container_cannot_see_means_its_root(tmp_path: Path) -> None:
    _tree(tmp_path / "in", **{"memory/memory.limit_in_bytes": "5"})
    assert own_group("memory", tmp_path / "in", "4:memory:/docker/1f\n")[1] == tmp_path / "in" / "memory"
    assert own_group("memory", tmp_path / "in", "0::/../other\n")[0] == tmp_path / "in"


@pytest.mark.parametrize(
    ("files", "own", "limit", "room"),
    [
        ({}, NEW, None, None),
        ({"user.slice/job/memory.max": "max\n", "memory.max": "max\n"}, NEW, None, None),
        ({"user.slice/job/memory.max": "900\n", "user.slice/job/memory.current": "300\n"}, NEW, 900, 600),
        # files that can be let go of are no use; with a use above the limit nothing is left
        (
            {
                "user.slice/job/memory.max": "900",
                "user.slice/job/memory.current": "300",
                "user.slice/job/memory.stat": "anon 100\ninactive_file 120\nactive_file 3\n",
            },
            NEW,
            900,
            720,
        ),
        ({"user.slice/job/memory.max": "100", "user.slice/job/memory.current": "300"}, NEW, 100, 0),
        # a limit above holds too, and the one with the least room is not always the lowest
        (
            {
                "user.slice/job/memory.max": "900",
                "user.slice/job/memory.current": "100",
                "user.slice/memory.max": "1000",
                "user.slice/memory.current": "950",
            },
            NEW,
            900,
            50,
        ),
        ({"memory/job/memory.limit_in_bytes": NO_LIMIT}, OLD, None, None),
        (
            {
                "memory/job/memory.limit_in_bytes": "900",
                "memory/job/memory.usage_in_bytes": "500",
                "memory/job/memory.stat": "inactive_file 1\ntotal_inactive_file 100\n",
            },
            OLD,
            900,
            500,
        ),
        ({"memory/memory.limit_in_bytes": "700", "memory/job/memory.limit_in_bytes": NO_LIMIT}, OLD, 700, 700),
        ({"memory/memory.limit_in_bytes": "700"}, "4:memory:/docker/1f\n", 700, 700),
    ],
)
def test_memory(tmp_path: Path, files: dict[str, str], own: str, limit: int | None, room: int | None) -> None:
    _tree(tmp_path, **files)
    assert memory_limit(tmp_path, own) == limit
    assert memory_room(tmp_path, own) == room


@pytest.mark.parametrize(
    ("files", "own", "quota"),
    [
        ({"user.slice/job/cpu.max": "150000 100000\n"}, NEW, 1.5),
        ({"user.slice/job/cpu.max": "max 100000\n"}, NEW, None),
        ({"user.slice/job/cpu.max": "300000 100000", "user.slice/cpu.max": "200000 100000"}, NEW, 2.0),
        ({"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, OLD, None),
        ({"cpu/job/cpu.cfs_quota_us": "200000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, OLD, 2.0),
    ],
)
def test_cores(tmp_path: Path, files: dict[str, str], own: str, quota: float | None) -> None:
    assert cpu_quota(_tree(tmp_path, **files), own) == quota


def test_time_that_a_quota_took(tmp_path: Path) -> None:
    assert cpu_throttled(tmp_path, NEW) is None
    _tree(tmp_path / "new", **{"user.slice/job/cpu.stat": "usage_usec 9\nthrottled_usec 1500000\n"})
    _tree(tmp_path / "old", **{"cpu/job/cpu.stat": "nr_periods 4\nthrottled_time 2500000000\n"})
    assert cpu_throttled(tmp_path / "new", NEW) == 1.5
    assert cpu_throttled(tmp_path / "old", OLD) == 2.5


@pytest.mark.parametrize(
    ("files", "own", "found"),
    [
        ({"user.slice/job/memory.events.local": "oom 1\noom_kill 2\n"}, NEW, OomKills(2, 9, True)),
        ({"user.slice/job/memory.events": "oom_kill 3\noom_group_kill 8\n"}, NEW, OomKills(3, 9, True)),
        ({"memory/job/memory.oom_control": "under_oom 0\noom_kill 4\n"}, OLD, OomKills(4, 9, True)),
        ({"memory/job/memory.oom_control": "under_oom 0\n"}, OLD, OomKills(0, 9, False)),
        ({"cgroup.procs": "1"}, "0::/\n", OomKills(0, 9, False)),
    ],
)
def test_the_kernels_kills_of_a_group(tmp_path: Path, files: dict[str, str], own: str, found: OomKills) -> None:
    _tree(tmp_path, **files, vmstat="nr_free_pages 5\noom_kill 9\n")
    assert oom_kills(tmp_path, own, tmp_path / "vmstat") == found
    assert oom_kills(tmp_path / "no", own, tmp_path / "no") == OomKills(0, 0, False)
