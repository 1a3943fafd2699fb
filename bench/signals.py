"""Signals that ask a process to end: Ctrl-C, SIGTERM as clusters and containers send it, SIGHUP of a closed terminal.

The command line turns all of them into one exception, `Interrupted`, a `KeyboardInterrupt`: what tidies up after Ctrl-C
so does after the others. Where work must not be torn apart, such as between the end of a cell and the storing of its
result, `deferred` holds them back.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = [
    "ENDING",
    "Interrupted",
    "deferred",
    "ignore_interrupts",
    "raise_interrupts",
    "release_interrupts",
    "signal_name",
    "signal_of",
]

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

_PATIENCE = 15.0
"""Seconds in which further signals only hurry the tidying up that the first one has begun."""

_AGAIN = 0.01
"""Seconds until a signal comes again that was lost in a finalizer."""


class Interrupted(KeyboardInterrupt):
    """A signal has asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal_name(number))
        self.number = number


def signal_of(stop: KeyboardInterrupt) -> int:
    """The signal behind an interrupt; Python's own is Ctrl-C."""
    return int(getattr(stop, "number", signal.SIGINT))


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; ``signal 34`` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Raise:
    """A handler: the first signal raises; for a while, further ones do not cut short what tidies up after it."""

    def __init__(self) -> None:
        self._first = -_PATIENCE

    def __call__(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._first >= _PATIENCE:
            self._first = now
            raise Interrupted(number)

    def repeat(self, number: int) -> None:
        """Have the signal come again, for the exception was raised where Python drops it."""
        self._first = -_PATIENCE
        threading.Timer(_AGAIN, _send, [number]).start()


def _send(number: int) -> None:
    """Send this process's main thread a signal, which ends what it waits for."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def raise_interrupts() -> None:
    """From now on have each of the signals raise `Interrupted` in the main thread: for programs, not for libraries.

    A signal that is ignored stays ignored (nohup, a background shell). A handler also ends what is process 1 of a
    container, which the kernel's default does not.
    """
    handler = _Raise()
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    others = sys.unraisablehook

    def report(lost: sys.UnraisableHookArgs) -> None:  # a finalizer or a callback of a weak reference was under way
        if isinstance(lost.exc_value, Interrupted):
            handler.repeat(lost.exc_value.number)
        else:
            others(lost)

    sys.unraisablehook = report


def release_interrupts() -> None:
    """Leave them to the system again: all is done, and an exception would have nobody to catch it."""
    for number in ENDING:
        if isinstance(signal.getsignal(number), _Raise):
            signal.signal(number, signal.SIG_DFL)


def ignore_interrupts() -> None:
    """From now on ignore them: an interpreter that shuts down would take back its handlers and be killed."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[list[int]]:
    """Hold back the signals that would raise an exception; the first of them is raised at the end of the block.

    Yields the numbers of those that came, which grows. Nothing is held back outside of the main thread, where nothing
    is raised, nor from handlers of other programs.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: handler for number in ENDING if (handler := _raising(signal.getsignal(number))) is not None}
    try:
        for number in before:
            signal.signal(number, lambda caught, _: came.append(caught))
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        before[came[0]](came[0], None)


def _raising(handler: object) -> Callable[[int, FrameType | None], object] | None:
    """A signal's handler where it is known to raise an interrupt."""
    if handler is signal.default_int_handler:
        return signal.default_int_handler
    return handler if isinstance(handler, _Raise) else None
