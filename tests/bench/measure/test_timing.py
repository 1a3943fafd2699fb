from __future__ import annotations

import time

import pytest

from bench.measure.timing import Part, StepTimer

PARTS: tuple[Part, ...] = ("data", "forward", "backward", "optimizer")


def test_parts_of_known_length() -> None:
    timer = StepTimer(lambda: None)
    for _ in range(4):
        timer.begin()
        for index, part in enumerate(PARTS, start=1):
            time.sleep(0.02 * index)
            timer.end(part)
    for index, part in enumerate(PARTS, start=1):
        assert min(timer.samples[part]) == pytest.approx(0.02 * index, rel=0.1, abs=0.005)
        assert len(timer.samples[part]) == 4


def test_the_device_is_waited_for_before_each_reading_of_the_clock() -> None:
    calls: list[str] = []

    def clock() -> float:
        calls.append("read")
        return float(len(calls))

    timer = StepTimer(lambda: calls.append("wait"), clock=clock)
    timer.begin()
    timer.end("forward")
    assert calls == ["wait", "read"] * 2


def test_steps_that_are_not_timed_cost_no_waiting() -> None:
    waits: list[int] = []
    timer = StepTimer(lambda: waits.append(1), every=10)
    for _ in range(25):
        timer.begin()
        timer.end("data")
        timer.end("forward")
    assert len(waits) == 3 * 3
    assert len(timer.samples["data"]) == 3
