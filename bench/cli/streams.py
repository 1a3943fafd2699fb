"""The standard streams of the command line: a text that they cannot show, or a reader that is gone, ends no run."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stream", "open_streams"]


class Stream(io.FileIO):
    """A file descriptor whose failures are noted and not raised; what is written after the first one is dropped."""

    error: OSError | None = None
    """Why nothing more can be written; None while all is well."""

    def write(self, data: object) -> int:
        """Write, or note why not."""
        if self.error is None:
            try:
                return super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                self.error = error
                self._report()
        return memoryview(data).nbytes  # type: ignore[arg-type]

    def _report(self) -> None:
        """Say it on the standard error, once; a reader that wanted no more (``| head``) is no fault."""
        assert self.error is not None
        if self.fileno() == 1 and self.error.errno != errno.EPIPE:
            reason = self.error.strerror or str(self.error)
            print(f"patchbench: cannot write to the standard output ({reason}); going on without it", file=sys.stderr)

    @property
    def failed(self) -> bool:
        """Whether something was lost that somebody still wanted to read."""
        return self.error is not None and self.error.errno != errno.EPIPE


@contextmanager
def open_streams() -> Iterator[Stream]:
    """Replace the standard output and error by such streams while the block runs; yields the output's.

    They escape what their encoding lacks. A standard output that was closed fails as one that is full does: it is
    opened for reading alone, so that no file takes its number and receives what others print.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        _occupy(number, mode)
    before = sys.stdout, sys.stderr
    for stream in before:
        if stream is not None:
            stream.flush()
    output = Stream(1, "w", closefd=False)
    sys.stderr = _text(Stream(2, "w", closefd=False), before[1])
    sys.stdout = _text(output, before[0])
    try:
        yield output
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _occupy(number: int, mode: int) -> None:
    """Open the null device in place of a standard stream that is closed."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _text(raw: Stream, before: io.TextIOBase | object) -> io.TextIOWrapper:
    encoding = getattr(before, "encoding", None) or "utf-8"
    lines = raw.fileno() == 2 or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=lines)
