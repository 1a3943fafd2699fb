"""Download data sets by name: what there is, checked by its hash, and never half a file in place."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from bench.data.cache_dir import cache_folder, locked
from bench.data.resumable import FetchProgress, Remote, ResumableDownload
from bench.data.sources.medmnist_catalog import MEDMNIST, MEDMNIST_SIZES
from bench.errors import DataError, nearest
from bench.results.files import atomic_path

__all__ = ["Fetched", "Remote", "fetch", "fetch_remote", "remotes"]

_PBC = (
    "https://data.mendeley.com/public-files/datasets/snkd93bnjr/files/"
    "2fc38728-2ae7-4a62-a857-032af82334c3/file_downloaded"
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is here."""

    path: Path
    sha256: str
    """Of the file that is here."""
    checked: bool
    """Whether it was compared with a published hash; without one, only with the first download's."""
    downloaded: bool
    """False where it was here already."""


def remotes() -> dict[str, Remote]:
    """Return everything that can be fetched, by name."""
    page = "https://data.mendeley.com/datasets/snkd93bnjr/1"
    known = {"pbc": Remote("pbc", _PBC, "PBC_dataset_normal_DIB.zip", None, page)}
    for one in MEDMNIST.values():
        for size in MEDMNIST_SIZES:
            name = Path(one.file(size)).stem
            known[name] = Remote(
                name, one.url(size), one.file(size), one.hash(size), "https://zenodo.org/records/10519652"
            )
    return known


def fetch(name: str, *, cache_dir: Path | None = None, progress: FetchProgress | None = None) -> Fetched:
    """Download the data set called ``name`` (``pbc``, ``bloodmnist``, ``bloodmnist_224``, ...) into the cache.

    Raises:
        DataError: there is no such set, or it could not be downloaded whole.
    """
    known = remotes()
    if name.lower() not in known:
        short = ["pbc", *sorted(MEDMNIST)]
        raise DataError(
            f"unknown data set {name!r}.{nearest(name.lower(), known)} Choose from {', '.join(short)}; the MedMNIST "
            "sets also with _64, _128 or _224 behind the name"
        )
    return fetch_remote(known[name.lower()], cache_folder(cache_dir) / "downloads", progress=progress)


def fetch_remote(
    remote: Remote,
    folder: Path,
    *,
    progress: FetchProgress | None = None,
    retries: int = 4,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Fetched:
    """Download one file into ``folder``.

    What arrived before a break stays in ``FILE.part`` and is continued, also by a later call. The file gets its
    name only when it is whole and its hash is right.

    Args:
        remote: what to download.
        folder: where to.
        progress: called for every block.
        retries: how often to try again after a failure that may pass.
        timeout: seconds of silence from the server that count as a failure.
        pause: seconds before the first retry; doubled for every further one.

    Raises:
        DataError: the server refuses, is not reached, or sends something else than what is known.
    """
    target = folder / remote.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(target):
            return _fetch(remote, target, ResumableDownload(remote, target, progress, retries, timeout, pause))
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error


def _fetch(remote: Remote, target: Path, download: ResumableDownload) -> Fetched:
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    expected = remote.hash or _first_hash(target)
    for last in (False, True):
        resumed = download.part.exists()
        try:
            pooch.retrieve(remote.url, known_hash=expected, fname=target.name, path=target.parent, downloader=download)
            break
        except ValueError as error:  # the hash is wrong; pooch has removed the file
            if last or not resumed:  # else what was here from an earlier call may be at fault
                raise DataError(
                    f"{remote.name}: what {remote.url} sent is not the known file (its hash differs), so nothing was "
                    f"kept; try again later, or get it by hand from {remote.page}"
                ) from error
    sha256 = str(pooch.file_hash(str(target), alg="sha256"))
    if remote.hash is None:
        with atomic_path(_note(target), durable=False) as part:
            part.write_text(sha256 + "\n", encoding="ascii")
    return Fetched(target, sha256, checked=remote.hash is not None, downloaded=download.ran)


def _note(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _first_hash(target: Path) -> str | None:
    """The hash of the first download of a file whose hash nobody published."""
    try:
        return f"sha256:{_note(target).read_text(encoding='ascii').strip()}"
    except (OSError, UnicodeDecodeError):
        return None
