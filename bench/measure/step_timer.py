"""Where the time of an epoch goes: waiting for data, forward, backward, optimizer."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARTS", "Part", "StepTimer"]

Part = Literal["data", "forward", "backward", "optimizer"]
PARTS: tuple[Part, ...] = get_args(Part)
_EMPTY = (math.nan,) * len(PARTS)


class StepTimer:
    """Splits some of the steps of a training into their parts.

    On a CPU every step can be timed, for the clock costs nothing. A GPU works while Python runs ahead; to time the
    parts one by one it has to be waited for at each of them, which itself costs time. So there only every n-th step
    is timed, another one in each epoch, and the epoch's own seconds stay the measure of its length.
    """

    def __init__(
        self,
        synchronize: Callable[[], None],
        *,
        every: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Time every ``every``-th step, the very first included. synchronize: waits until the device is done."""
        self._rows = array("f")  # twenty bytes a step, however long the training
        self._synchronize = synchronize
        self._every = every
        self._clock = clock
        self._epoch = 0
        self._last = 0.0
        self._timed = False

    def resume(self, samples: NDArray[np.float32]) -> None:
        """Take over what an earlier process had timed, as `samples` gave it."""
        self._rows.extend(samples.ravel().tolist())

    def begin(self, epoch: int, step: int) -> None:
        """A step begins, or a further micro-batch of it: the next images are asked for. epoch: from 1, step: from 0."""
        self._timed = (step + epoch - 1) % self._every == 0
        self._epoch = epoch
        self.mark()

    def mark(self) -> None:
        """The next part begins here: what came before is none of it."""
        if self._timed:
            self._synchronize()
            self._last = self._clock()

    def end(self, part: Part) -> None:
        """A part of the step is over; ``data`` is the first."""
        if not self._timed:
            return
        self._synchronize()
        now = self._clock()
        if part == "data":
            self._rows.extend((self._epoch, *_EMPTY))
        self._rows[PARTS.index(part) - len(PARTS)] = now - self._last
        self._last = now

    @property
    def samples(self) -> NDArray[np.float32]:
        """The timed steps, (n, 5): the epoch, and the seconds of `PARTS`; not a number where a part did not happen.

        The micro-batches of a batch have a row each, all but the last without an
        optimizer's part.
        """
        return np.array(self._rows, dtype=np.float32).reshape(-1, 1 + len(PARTS))
