"""All that is needed to resume a training after an epoch, in one file that is either whole or not there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import IO, Any, cast

import torch

from bench.results.through import write_through

__all__ = ["Checkpoint"]

_FORM = 2
_SHARE_OF_TIME = 0.01


class Checkpoint:
    """The checkpoint of one cell.

    path: the file. key: of what is trained, so that no other training resumes from it. every: seconds between two
    savings at the least; a saving that itself takes long waits for a hundred times as long as it took.
    """

    def __init__(self, path: Path, key: str, every: float) -> None:
        self._path = path
        self._key = key
        self._every = every
        self._last = self._begun = time.perf_counter()
        self._earlier = 0.0
        self.seconds = 0.0
        """Spent on saving."""

    @property
    def spent(self) -> float:
        """Seconds of training since the cell began; those before a kill count up to the epoch that was resumed from."""
        return self._earlier + time.perf_counter() - self._begun

    @property
    def earlier(self) -> float:
        """Seconds of training of the processes before this one, up to the epoch that was resumed from."""
        return self._earlier

    def load(self) -> dict[str, Any] | None:
        """Return what was saved; None where nothing was, or something that is damaged or not this training's."""
        try:
            held = torch.load(self._path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - struct.error, IndexError ...: torch's readers check little
            print(f"{self._path.name} cannot be read ({error}): the training begins anew")
            return None
        if not isinstance(held, dict) or held.get("form") != _FORM or held.get("key") != self._key:
            print(f"{self._path.name} belongs to another training or version: the training begins anew")
            return None
        spent, state = held.get("spent"), held.get("state")
        if not isinstance(spent, float) or not isinstance(state, dict):
            print(f"{self._path.name} is not whole: the training begins anew")
            return None
        self._earlier = spent
        return state

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.perf_counter() - self._last >= self._every

    def save(self, state: dict[str, Any]) -> None:
        """Save a state of tensors and plain values in place of the one before. Raises OSError where it cannot."""
        started = time.perf_counter()
        with write_through(self._path) as file:
            held = {"form": _FORM, "key": self._key, "spent": self.spent, "state": state}
            torch.save(held, cast("IO[bytes]", file))
        self._last = time.perf_counter()
        took = self._last - started
        self.seconds += took
        if self._every > 0:
            self._every = max(self._every, took / _SHARE_OF_TIME)

    def remove(self) -> None:
        """Remove it: the training is done."""
        self._path.unlink(missing_ok=True)
