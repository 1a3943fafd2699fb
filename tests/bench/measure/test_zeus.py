"""zeus is a double here that records its calls: neither its daemon nor an AMD GPU is at hand."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bench.measure import zeus as zeus_counters
from bench.measure.energy import open_energy
from bench.measure.nvml import Nvml
from bench.results.notice import Notice


class _Devices:
    """Packages or GPUs that each take 2 J between two readings."""

    def __init__(self, answer: Any, fails_at: int = 1000) -> None:
        self.cpus = [None, None]
        self.calls: list[int] = []
        self._answer = answer
        self._fails_at = fails_at

    def get_name(self, index: int) -> str:
        return ["AMD Instinct"][index]

    def get_total_energy_consumption(self, index: int) -> Any:
        self.calls.append(index)
        if len(self.calls) > self._fails_at:
            raise RuntimeError("the daemon has gone")
        return self._answer(1000.0 + 2000 * self.calls.count(index))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a zeus whose functions return what is given; an exception is raised."""

    def put(**functions: Any) -> None:
        def answering(answer: Any) -> Any:
            def call() -> Any:
                if isinstance(answer, Exception):
                    raise answer
                return answer

            return call

        root = ModuleType("zeus")
        root.__spec__ = ModuleSpec("zeus", None)
        for name, function in (("cpu", "get_cpus"), ("gpu", "get_gpus")):
            module = ModuleType(f"zeus.device.{name}")
            if function in functions:
                setattr(module, function, answering(functions[function]))
            monkeypatch.setitem(sys.modules, f"zeus.device.{name}", module)
        monkeypatch.setitem(sys.modules, "zeus", root)
        monkeypatch.setitem(sys.modules, "zeus.device", ModuleType("zeus.device"))

    return put


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    """A package whose counter this process may not read."""
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "name").write_text("package-0")
    (zone / "max_energy_range_uj").write_text("1000")
    (zone / "energy_uj").mkdir()  # cannot be read, whoever asks
    return tmp_path


def test_a_cpu_whose_counters_only_zeus_can_read(install: Any, powercap: Path) -> None:
    install(get_cpus=_Devices(lambda mj: SimpleNamespace(cpu_mj=mj, dram_mj=None)))
    watch = open_energy("cpu", None, powercap)
    watch.poll("train", 0.0)
    watch.end(5.0)
    energy = watch.energy()
    assert energy.by_counter == {"package-0 (through zeus)": 2.0, "package-1 (through zeus)": 2.0}
    assert energy.by_phase == {"train": 4.0}
    assert energy.not_measured is None


def test_the_memory_of_a_package_counts_where_it_has_a_counter(install: Any) -> None:
    install(get_cpus=_Devices(lambda mj: SimpleNamespace(cpu_mj=mj, dram_mj=mj / 2)))
    counters = zeus_counters.cpu_counters()
    assert not isinstance(counters, Notice)
    assert counters[0].read() == 3.0


def test_a_gpu_without_the_nvidia_library(install: Any, tmp_path: Path) -> None:
    gpus = _Devices(lambda mj: int(mj))
    install(get_gpus=gpus)
    watch = open_energy("cuda:0", None, tmp_path)
    watch.poll("train", 0.0)
    watch.end(5.0)
    assert watch.energy().by_counter == {"AMD Instinct (through zeus)": 2.0}
    assert set(gpus.calls) == {0}
    missing = open_energy("cuda:1", None, tmp_path).energy().not_measured
    assert Notice.of("zeus_unknown_device", device="cuda:1") in _within(missing)


@pytest.mark.parametrize("fault", [RuntimeError("no RAPL"), None])
def test_a_zeus_that_cannot_either_is_a_reason(install: Any, powercap: Path, fault: Exception | None) -> None:
    install(**({} if fault is None else {"get_cpus": fault, "get_gpus": fault}))
    reasons = _within(open_energy("cuda", Nvml(_no_driver()), powercap).energy().not_measured)
    codes = [reason.code for reason in reasons]
    assert codes.index("rapl_needs_rights") < codes.index("gpu_energy_missing") < codes.index("no_nvidia_driver")
    texts = [reason.values["text"] for reason in reasons if reason.code == "verbatim"]
    assert len(texts) == 2
    assert all(str(text).startswith("zeus: ") for text in texts)
    assert all(("no RAPL" in str(text)) == (fault is not None) for text in texts)


def test_a_counter_that_breaks_off_leaves_no_half_sum(install: Any, powercap: Path) -> None:
    install(get_cpus=_Devices(lambda mj: SimpleNamespace(cpu_mj=mj, dram_mj=None), fails_at=5))
    watch = open_energy("cpu", None, powercap)
    watch.poll("train", 0.0)
    watch.end(5.0)
    assert watch.energy().joules is None
    assert "the daemon has gone" in str(watch.energy().not_measured)


def test_without_zeus_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zeus_counters, "find_spec", lambda _: None)
    assert zeus_counters.cpu_counters() == Notice.of("zeus_missing")
    assert zeus_counters.gpu_counter("cuda") == Notice.of("zeus_missing")


def _within(notice: Notice | None) -> list[Notice]:
    """A notice and all that stand in its places."""
    if notice is None:
        return []
    inner = [part for value in notice.values.values() for part in (value if isinstance(value, tuple) else (value,))]
    return [notice, *(found for part in inner if isinstance(part, Notice) for found in _within(part))]


def _no_driver() -> Any:
    class NVMLError(Exception):
        """As the library's own."""

    def refuse() -> None:
        raise NVMLError("not found")

    return SimpleNamespace(NVMLError=NVMLError, nvmlInit=refuse)
