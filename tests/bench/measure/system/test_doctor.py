from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.measure.system import machine
from bench.measure.system.doctor import check_environment
from bench.measure.system.environment import environment
from bench.measure.system.machine import available_bytes, clock_policy, confinement
from bench.results.environment import Clock, Confinement, Environment

QUIET: dict[str, Any] = {
    "load_average_1min": 0.1,
    "cpu": {"usable": 8},
    "clock": {"governor": "performance", "turbo": False},
    "confinement": {"container": None, "cpu_quota": None, "memory_limit_mib": None},
    "packages": {"numpy": "2.0", "torch": "2.4"},
    "git": {"revision": "a", "dirty": False},
    "gpus": [{"name": "G", "persistence": True, "mig": False, "throttling": []}],
    "energy": None,
}


def test_a_quiet_machine_hinders_nothing() -> None:
    assert check_environment(Environment.model_validate(QUIET)) == []
    assert check_environment(Environment()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"load_average_1min": 5.0}, "busy"),
        ({"clock": {"governor": "powersave"}}, "governor is powersave"),
        ({"clock": {"turbo": True}}, "turbo is on"),
        ({"confinement": {"cpu_quota": 2.5}}, "cells get 2 threads"),
        ({"variables": {"OMP_NUM_THREADS": "3"}}, "cells get 3 threads of 8 CPUs"),
        ({"confinement": {"memory_limit_mib": 1024}}, "1,024 MiB"),
        ({"confinement": {"memory_limit_mib": 8192, "memory_left_mib": 900}}, "others leave 900 MiB"),
        ({"packages": {"numpy": "2.0"}}, "pip install torch"),
        ({"git": {"revision": "a", "dirty": True}}, "uncommitted"),
        ({"gpus": [{"name": "G", "persistence": False}]}, "persistence"),
        ({"gpus": [{"name": "G", "mig": True}]}, "MIG"),
        ({"gpus": [{"name": "G", "throttling": ["power cap"]}]}, "power cap"),
    ],
)
def test_each_problem_is_reported_once(change: dict[str, Any], message: str) -> None:
    (found,) = check_environment(Environment.model_validate({**QUIET, **change}))
    assert message in found


def test_this_machine_can_be_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = environment(["patchbench", "doctor"])
    assert found.variables["OMP_NUM_THREADS"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in found.variables
    assert found.memory_available_gib is not None
    assert found.memory_gib is not None
    assert 0 < found.memory_available_gib <= found.memory_gib
    assert found.cpu.usable is not None
    assert found.cpu.usable >= 1
    assert isinstance(check_environment(found), list)
    assert Environment.model_validate_json(found.model_dump_json()) == found


def _write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_clock_policy_is_read_from_the_system(tmp_path: Path) -> None:
    assert clock_policy(tmp_path) == Clock()
    cpu = "devices__system__cpu__"
    _write(tmp_path, **{f"{cpu}cpu0__cpufreq__scaling_governor": "powersave\n"})
    _write(tmp_path, **{f"{cpu}cpu1__cpufreq__scaling_governor": "performance\n"})
    _write(tmp_path, **{f"{cpu}intel_pstate__no_turbo": "0\n", f"{cpu}smt__active": "1\n"})
    assert clock_policy(tmp_path) == Clock(governor="performance, powersave", turbo=True, smt=True)


def test_the_surroundings_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert confinement(tmp_path, tmp_path, "") == Confinement()
    (tmp_path / ".dockerenv").touch()
    groups = tmp_path / "fs" / "cgroup"
    groups.mkdir(parents=True)
    (groups / "memory.max").write_text("1073741824\n")
    (groups / "memory.current").write_text("268435456\n")
    (groups / "cpu.max").write_text("150000 100000\n")
    limited = Confinement(container="docker", cpu_quota=1.5, memory_limit_mib=1024, memory_left_mib=768)
    assert confinement(tmp_path, tmp_path, "0::/\n") == limited


def test_memory_that_is_there_for_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    free = available_bytes()
    assert 0 < free <= psutil.virtual_memory().total
    for room, expected in ((1000, 1000), (1 << 60, free), (None, free)):
        monkeypatch.setattr(machine, "memory_room", lambda found=room: found)
        assert available_bytes() == pytest.approx(expected, rel=0.2)


# psutil raises each of these on some machine; NotImplementedError on Linux without a file of the frequency.
@pytest.mark.parametrize("error", [SystemError, RuntimeError, NotImplementedError, FileNotFoundError])
def test_a_clock_that_cannot_be_read_is_not_known(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise error("no such thing here")

    monkeypatch.setattr("psutil.cpu_freq", refuse)
    cpu = environment(["patchbench"]).cpu
    assert (cpu.clock_now_mhz, cpu.clock_highest_mhz) == (None, None)
