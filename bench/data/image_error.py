"""The one error of images that cannot be used."""

from __future__ import annotations

from bench.errors import DataError
from bench.results.notice import Notice

__all__ = ["ImageError"]


class ImageError(DataError):
    """An image that cannot be used; ``notice`` has the reason, for the record of the run."""

    def __init__(self, message: str, notice: Notice) -> None:
        super().__init__(message)
        self.notice = notice

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, Notice]]:
        return ImageError, (str(self), self.notice)  # it travels between processes
