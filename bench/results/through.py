"""Files written through libraries that hide why a write has failed: torch tells no errno, numpy none either."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.results.files import atomic_path

__all__ = ["Writer", "save_array", "write_file", "write_through"]


class Writer(io.RawIOBase):
    """A file as a library may write to it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.error: OSError | None = None
        """Why it could not be written."""

    def write(self, data: Any) -> int:
        """Write bytes; returns how many."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Hand on what is held back."""
        try:
            self._file.flush()
        except OSError as error:
            self.error = error
            raise


@contextmanager
def write_through(path: Path, *, durable: bool = True) -> Iterator[Writer]:
    """Yield a writer; what it wrote then replaces ``path``, whose folder has to be there.

    Raises OSError with its errno where it could not be written, whatever the library made of it.
    """
    if not path.parent.is_dir():  # and is not made anew: a run whose folder is gone has ended
        raise FileNotFoundError(errno.ENOENT, "the folder is gone", str(path.parent))
    with atomic_path(path, durable=durable) as part, part.open("wb") as file:
        writer = Writer(file)
        try:
            yield writer
        except Exception as error:
            if writer.error is None or writer.error is error:
                raise
            raise writer.error from error


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file. Raises OSError as `write_through`."""
    with write_through(path, durable=False) as writer:
        np.save(writer, array)


def write_file(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text. Raises OSError as `write_through`."""
    with write_through(path, durable=durable) as writer:
        writer.write(text.encode())
