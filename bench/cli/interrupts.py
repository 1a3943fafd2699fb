"""What the command line says when a signal ends it."""

from __future__ import annotations

import shlex
import signal
import sys

from bench.signals import ignore_interrupts, signal_name, signal_of
from bench.terminal import printable

__all__ = ["report_interrupt", "resumes"]


def report_interrupt(stop: KeyboardInterrupt) -> int:
    """Say how to go on; returns the exit code."""
    ignore_interrupts()
    number = signal_of(stop)
    how = "interrupted" if number == signal.SIGINT else f"interrupted by {signal_name(number)}"
    if resumes():
        again = printable(shlex.join(["patchbench", *sys.argv[1:]]), lines=False)
        how += f"; what is done is stored. To resume, run the same command again: {again}"
    print(f"patchbench: {how}", file=sys.stderr)
    return 128 + number


def resumes() -> bool:
    """Whether the command goes on where it was ended when it is given again."""
    return sys.argv[1:2] in (["run"], ["reproduce"])
