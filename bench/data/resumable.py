"""One download that is resumed where it broke off, and tried again after what may pass."""

from __future__ import annotations

import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bench.errors import DataError

if TYPE_CHECKING:
    import requests

__all__ = ["FetchProgress", "Remote", "ResumableDownload"]

_MAY_PASS = (408, 416, 429)  # of the answers that lay the blame on the client
_BLOCK = 2**16

FetchProgress = Callable[[str, int, int], None]
"""Called with the name, the bytes that are here, and the bytes that there are (0: the server does not say)."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file that can be fetched."""

    name: str
    url: str
    file: str
    hash: str | None
    """``md5:...`` or ``sha256:...``; None where nobody published one."""
    page: str
    """Where a person finds it."""


class ResumableDownload:
    """What pooch calls to download: into ``FILE.part``, from where that ends, as often as it takes."""

    def __init__(
        self,
        remote: Remote,
        target: Path,
        progress: FetchProgress | None,
        retries: int,
        timeout: float,
        pause: float,
    ) -> None:
        self.remote, self.progress = remote, progress
        self.retries, self.timeout, self.pause = retries, timeout, pause
        self.part = target.with_name(f"{target.name}.part")
        self.tag = target.with_name(f"{target.name}.part.tag")
        self.ran = False

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        import requests

        self.ran = True
        for attempt in range(self.retries + 1):
            try:
                self._continue(url)
                break
            except (requests.RequestException, _TryAgainError) as error:
                self._give_up(error)
                if attempt == self.retries:
                    kept = f"; {self.part.stat().st_size:,} bytes are kept" if self.part.exists() else ""
                    raise DataError(
                        f"{self.remote.name}: {url} failed {attempt + 1} times, at last with: {_short(error)}{kept}. "
                        f"Run the command again to continue, or get the file by hand from {self.remote.page}"
                    ) from error
                time.sleep(self.pause * 2**attempt)
        if self.remote.hash is None:
            self._check_zip()
        self.tag.unlink(missing_ok=True)
        self.part.replace(output_file)

    def _give_up(self, error: Exception) -> None:
        """Raise where trying again is of no use."""
        response = getattr(error, "response", None)
        if response is not None and 400 <= response.status_code < 500 and response.status_code not in _MAY_PASS:
            raise DataError(
                f"{self.remote.name}: {self.remote.url} answers {response.status_code} {response.reason}; get the file "
                f"by hand from {self.remote.page} and give it with --data"
            ) from error

    def _continue(self, url: str) -> None:
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        tag = self._tag() if have else ""
        headers = {"Accept-Encoding": "identity"}
        if have and tag:
            headers |= {"Range": f"bytes={have}-", "If-Range": tag}
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
            if response.status_code == 416:
                if response.headers.get("Content-Range", "").strip() == f"bytes */{have}":
                    return  # all of it is here: an earlier call was killed before it gave the file its name
                self.part.unlink(missing_ok=True)
            response.raise_for_status()
            goes_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                f"bytes {have}-"
            )
            start = have if goes_on else 0
            length = response.headers.get("Content-Length", "")
            total = start + int(length) if length.isdigit() else 0
            self.tag.write_text(response.headers.get("ETag", ""), encoding="utf-8")
            with self.part.open("r+b" if goes_on else "wb") as file:
                file.seek(start)
                self._receive(response, file, total)
        if total and self.part.stat().st_size != total:
            raise _TryAgainError(f"{self.part.stat().st_size:,} of {total:,} bytes arrived")

    def _tag(self) -> str:
        """What the server called the file that the part is of; empty where that is not known or damaged."""
        try:
            tag = self.tag.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return tag if tag.isprintable() else ""

    def _receive(self, response: requests.Response, file: BinaryIO, total: int) -> None:
        for block in response.iter_content(_BLOCK):
            file.write(block)
            if self.progress is not None:
                self.progress(self.remote.name, file.tell(), total)

    def _check_zip(self) -> None:
        """Without a published hash at least every member's checksum has to be right."""
        try:
            with zipfile.ZipFile(self.part) as archive:
                bad = archive.testzip()
        except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, zlib.error) as error:
            bad = str(error)
        if bad is not None:
            self.part.unlink(missing_ok=True)
            raise DataError(
                f"{self.remote.name}: what {self.remote.url} sent is not a whole zip ({bad}), so nothing was kept; "
                f"get the file by hand from {self.remote.page} and give it with --data"
            )


class _TryAgainError(Exception):
    """Less arrived than the server announced."""


def _short(error: Exception) -> str:
    """The cause in one line: requests wraps it in urllib3's errors, which name their own objects first."""
    inner = getattr(error.args[0] if error.args else None, "reason", None)
    if inner is not None:
        return str(inner).rpartition(": ")[2][:160]
    return (str(error) or type(error).__name__).splitlines()[0][:160]
