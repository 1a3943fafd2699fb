"""Where the time of an epoch goes: waiting for data, forward, backward, optimiser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

__all__ = ["Part", "StepTimer"]

Part = Literal["data", "forward", "backward", "optimizer"]


class StepTimer:
    """Splits some of the steps of an epoch into their parts.

    On a processor every step can be timed, for the clock costs nothing. A GPU works while Python runs ahead; to tell
    the parts apart it has to be waited for at each of them, which itself costs time. So there only every n-th step is
    timed, and the epoch's own seconds stay the measure of its length.
    """

    def __init__(
        self,
        synchronize: Callable[[], None],
        *,
        every: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Time every ``every``-th step, the first included. synchronize: waits until the device is done."""
        self.samples: dict[str, list[float]] = {}
        """Raw seconds of each part, a sample for each timed step."""
        self._synchronize = synchronize
        self._every = every
        self._clock = clock
        self._step = 0
        self._last = 0.0
        self._timed = False

    def begin(self) -> None:
        """A step begins: the next batch is asked for. Call it before the first batch and after each step."""
        self._timed = self._step % self._every == 0
        self._step += 1
        if self._timed:
            self._synchronize()
            self._last = self._clock()

    def end(self, part: Part) -> None:
        """A part of the step is over."""
        if not self._timed:
            return
        self._synchronize()
        now = self._clock()
        self.samples.setdefault(part, []).append(now - self._last)
        self._last = now
