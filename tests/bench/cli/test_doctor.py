from __future__ import annotations

import pytest

from bench.cli.doctor import doctor
from bench.results.environment import Confinement, Cpu, Environment, Gpu
from bench.results.notice import Notice


def test_facts_and_warnings_are_printed_from_the_models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Environment(
        cpu=Cpu(model="Test CPU", usable=8),
        confinement=Confinement(cpu_quota=2.5),
        energy=Notice.of("no_rapl"),
        packages={"torch": "2.4", "numpy": "2.0"},
        gpus=(Gpu(name="Test GPU", mig=True),),
    )
    monkeypatch.setattr("bench.measure.system.environment.environment", lambda _: found)
    doctor()
    lines = capsys.readouterr().out.splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines if not line.startswith("warning: "))
    assert {name: value.strip() for name, value in facts.items()}.items() >= {
        "cpu.model": "Test CPU",
        "cpu.cores": "not known",
        "packages.torch": "2.4",
        "gpus.0.name": "Test GPU",
    }.items()
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert len(warnings) == 3
    assert "cells get 2 threads" in warnings[0]
    assert "MIG" in warnings[1]
    assert warnings[2].startswith("warning: energy will not be measured: CPU: this system shows no RAPL counters")
    assert not any("energy" in name or "schema_version" in name for name in facts)
