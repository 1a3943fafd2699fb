from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.measure.energy import RaplCounter, open_energy
from bench.results.notice import Notice, verbatim

RANGE = 262_143_328_850


def _zone(root: Path, folder: str, name: str, value: int = 0, limit: int = RANGE) -> Path:
    zone = root / folder
    zone.mkdir(parents=True, exist_ok=True)
    (zone / "name").write_text(f"{name}\n")
    (zone / "energy_uj").write_text(f"{value}\n")
    (zone / "max_energy_range_uj").write_text(f"{limit}\n")
    return zone


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=1000), st.lists(st.integers(min_value=0, max_value=999), max_size=20))
def test_a_counter_that_wraps_around_loses_nothing(start: int, steps: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        zone = _zone(Path(folder), "intel-rapl:0", "package-0", start, 1000)
        counter = RaplCounter(zone)
        true = 0
        for step in steps:
            true += step
            (zone / "energy_uj").write_text(str((start + true) % 1001))
            assert counter.read() == pytest.approx(true / 1e6)


def test_packages_and_their_memory_are_added(tmp_path: Path) -> None:
    zones = [
        _zone(tmp_path, "intel-rapl:0", "package-0"),
        _zone(tmp_path, "intel-rapl:0:0", "core"),
        _zone(tmp_path, "intel-rapl:0:1", "dram"),
        _zone(tmp_path, "intel-rapl:1", "package-1"),
        _zone(tmp_path, "intel-rapl:2", "psys"),
    ]
    watch = open_energy("cpu", None, tmp_path)
    watch.poll("train", 0.0)
    for zone in zones:
        (zone / "energy_uj").write_text("2000000")
    watch.end(10.0)
    energy = watch.energy()
    assert energy.by_counter == {"package-0": 2.0, "dram": 2.0, "package-1": 2.0}
    assert energy.joules == 6.0
    assert energy.by_phase == {"train": 6.0}
    assert energy.not_measured is None
    counters = (verbatim("package-0"), verbatim("dram"), verbatim("package-1"))
    assert energy.method == Notice.of("hardware_counters", names=counters)


def test_without_counters_nothing_is_guessed(tmp_path: Path) -> None:
    energy = open_energy("cpu", None, tmp_path / "missing").energy()
    assert energy.joules is None
    assert energy.not_measured == Notice.of("no_rapl")
    missing = open_energy("mps", None, tmp_path).energy().not_measured
    assert missing == Notice.of("several", parts=(Notice.of("no_rapl"), Notice.of("no_energy_counter", device="mps")))


def test_counters_that_may_not_be_read(tmp_path: Path) -> None:
    zone = _zone(tmp_path, "intel-rapl:0", "package-0")
    (zone / "energy_uj").unlink()
    (zone / "energy_uj").mkdir()  # cannot be read, whoever asks
    energy = open_energy("cpu", None, tmp_path).energy()
    assert energy.joules is None
    assert energy.not_measured is not None
    assert energy.not_measured.code == "rapl_needs_rights"
    assert isinstance(energy.not_measured.values["zeus"], Notice)


def test_a_counter_that_breaks_off_leaves_no_half_sum(tmp_path: Path) -> None:
    zone = _zone(tmp_path, "intel-rapl:0", "package-0")
    watch = open_energy("cpu", None, tmp_path)
    watch.poll("train", 0.0)
    (zone / "energy_uj").write_text("5000000")
    watch.poll("train", 2.0)
    (zone / "energy_uj").unlink()
    watch.end(3.0)
    energy = watch.energy()
    assert energy.joules is None
    assert energy.not_measured is not None
    assert energy.not_measured.code == "counter_lost"
