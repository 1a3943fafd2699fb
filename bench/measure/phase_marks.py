"""In a cell's own process: the kernel's high-water mark of each phase."""

from __future__ import annotations

from bench.measure.memory import APART
from bench.measure.proc_status import high_water_mib, reset_high_water

__all__ = ["PhaseMarks"]


class PhaseMarks:
    """The kernel's high-water mark of each phase, exact however short its peak was."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}
        """VmHWM of this process by phase in MiB; empty where the kernel cannot start the mark anew."""
        self.highest: float | None = high_water_mib()
        """VmHWM since the process began."""
        self.phase: str | None = None
        """The phase that is under way."""
        self._able = reset_high_water()

    def enter(self, phase: str | None) -> None:
        """Note the mark of the phase so far, and begin the next if it is another."""
        mark = high_water_mib()
        if mark is not None:
            if self.phase != APART:
                self.highest = max(mark, self.highest or 0.0)
            if self._able and self.phase is not None:
                self.peaks[self.phase] = max(mark, self.peaks.get(self.phase, 0.0))
        if self._able and phase != self.phase:
            reset_high_water()
        self.phase = phase
