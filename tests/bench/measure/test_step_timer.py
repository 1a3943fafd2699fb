from __future__ import annotations

import time

import numpy as np

from bench.measure.step_timer import PARTS, StepTimer


def test_parts_of_known_length() -> None:
    """Within 2 % of how long each part slept by the test's own clock; the nearest of three counts."""
    timer, slept = StepTimer(lambda: None), []
    for epoch, step in ((1, 0), (1, 1), (2, 0)):
        timer.begin(epoch, step)
        for index, part in enumerate(PARTS, start=1):
            begun = time.perf_counter()
            time.sleep(0.1 * index)
            slept.append(time.perf_counter() - begun)
            timer.end(part)
    timer.begin(2, 1)
    assert timer.samples.shape == (3, 5)
    assert timer.samples[:, 0].tolist() == [1, 1, 2]
    off = timer.samples[:, 1:] / np.reshape(slept, (3, 4)) - 1
    assert (off > -0.001).all()
    assert (off.min(axis=0) < 0.02).all()


def test_a_part_that_did_not_happen_is_no_number() -> None:
    timer = StepTimer(lambda: None)
    for parts in (PARTS[:3], PARTS):
        timer.begin(1, 0)
        for part in parts:
            timer.end(part)
    assert np.isnan(timer.samples).tolist() == [[False] * 4 + [True], [False] * 5]


def test_the_device_is_waited_for_before_each_reading_of_the_clock() -> None:
    calls: list[str] = []

    def clock() -> float:
        calls.append("read")
        return float(len(calls))

    timer = StepTimer(lambda: calls.append("wait"), clock=clock)
    timer.begin(1, 0)
    timer.end("data")
    timer.end("forward")
    assert calls == ["wait", "read"] * 3


def test_steps_that_are_not_timed_cost_no_waiting() -> None:
    waits: list[int] = []
    timer = StepTimer(lambda: waits.append(1), every=10)
    for step in range(25):
        timer.begin(1, step)
        timer.end("data")
        timer.end("forward")
    assert len(waits) == 3 * 3
    assert len(timer.samples) == 3


def test_each_epoch_times_another_step() -> None:
    """Epochs of three steps: were it always the first, waiting for data would seem long."""
    timer, timed = StepTimer(lambda: None, every=20), []
    for epoch in range(1, 41):
        for step in range(4):  # the last one is asked for in vain
            timer.begin(epoch, step)
            if step < 3:
                before = len(timer.samples)
                timer.end("data")
                timed += [step] * (len(timer.samples) - before)
    assert sorted(set(timed)) == [0, 1, 2]


def test_what_lies_between_two_parts_is_none_of_them() -> None:
    now = iter([0.0, 1.0, 11.0, 13.0])
    timer = StepTimer(lambda: None, clock=lambda: next(now))
    timer.begin(1, 0)
    timer.end("data")
    timer.mark()
    timer.end("optimizer")
    assert timer.samples[0, [1, 4]].tolist() == [1.0, 2.0]
