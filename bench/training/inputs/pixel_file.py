"""The pixel cache as a cell reads it: checked before, and watched while it is read."""

from __future__ import annotations

import os
import weakref
from io import FileIO
from pathlib import Path

import numpy as np

from bench.data.pixels.cache import checksum
from bench.errors import DataError

__all__ = ["PixelFile"]


class PixelFile:
    """The pixel cache's array, (n, size, size, 3) uint8, read row by row.

    Rows are read with `pread` and not through a mapping: mapped pages would count as the process's own memory
    (in RSS and PSS), and the peak would grow with the data set although nothing but the page cache does. And a file
    that is cut short under a mapping ends the process.
    """

    def __init__(self, path: Path, noted: str | None = None) -> None:
        """Open the array. noted: its checksum when it was built, which must still be that of the file.

        Raises:
            DataError: it is not there, not such an array, or was changed.
        """
        self._path, self._noted = path, noted
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise self._error(f"cannot be read ({error.strerror or error})") from error
        weakref.finalize(self, os.close, self._file)
        self._state = self._found()
        self._check()
        self.shape, self._offset = self._header()
        self._row = int(np.prod(self.shape[1:]))

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return the given rows, (len(positions), size, size, 3) uint8.

        Raises:
            DataError: the file was cut short or changed since it was opened.
        """
        out = np.empty((len(positions), *self.shape[1:]), np.uint8)
        view = out.reshape(-1).data
        for index, position in enumerate(positions):
            part = view[index * self._row : (index + 1) * self._row]
            try:
                done = os.preadv(self._file, [part], self._offset + int(position) * self._row)
            except OSError as error:
                raise self._error(f"cannot be read ({error.strerror or error})") from error
            if done != self._row:
                raise self._error("was cut short")
        if (state := self._found()) != self._state:
            self._check()
            self._state = state  # touched, and the same bytes all the same
        return out

    def _found(self) -> tuple[int, int, int]:
        found = os.fstat(self._file)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _check(self) -> None:
        if self._noted is None:
            return
        try:
            same = os.path.samestat(os.fstat(self._file), self._path.stat()) and checksum(self._path) == self._noted
        except OSError as error:
            raise self._error(f"cannot be read ({error.strerror or error})") from error
        if not same:
            raise self._error("was changed")

    def _header(self) -> tuple[tuple[int, ...], int]:
        """The array's shape, and where its first row begins."""
        try:
            with FileIO(self._file, closefd=False) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, by_column, dtype = read(file)
                offset = file.tell()
        except (OSError, ValueError, EOFError) as error:
            raise self._error(f"is not an array ({error})") from error
        if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8 or by_column:
            raise self._error("is not one of images")
        return shape, offset

    def _error(self, what: str) -> DataError:
        return DataError(
            f"The pixel cache {self._path} {what} while the study ran. Run the study again with --retry failed: the "
            "cache is built anew."
        )
