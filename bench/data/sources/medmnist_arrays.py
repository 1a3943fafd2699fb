"""The arrays of a MedMNIST file: unpacked into the cache once, then mapped into memory."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.decode import encode_ppm
from bench.data.sources.base import Sample, Source
from bench.data.sources.medmnist_catalog import MEDMNIST, MEDMNIST_CITATION, MEDMNIST_SIZES, MedMnistSet
from bench.errors import DataError, nearest
from bench.results.dataset import DataCard, Split
from bench.results.notice import Notice

__all__ = ["NpzReader", "open_medmnist"]

_PARTS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
_MAX_LABEL_BYTES = 2**28
_BOMB_RATIO = 500


class NpzReader:
    """Reads images by ``train/000012`` from arrays that are mapped into memory."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._arrays: dict[str, NDArray[np.uint8]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_arrays": {}}

    def read(self, name: str) -> bytes:
        """Return the image as the bytes of a PPM file."""
        part, _, row = name.partition("/")
        if part not in self._arrays:
            self._arrays[part] = np.load(Path(self.folder) / f"{part}.npy", mmap_mode="r", allow_pickle=False)
        image = self._arrays[part][int(row)]
        return encode_ppm(np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image)


def open_medmnist(path: Path | None, name: str | None, image_size: int, cache_dir: Path | None) -> Source:
    """List the images of a MedMNIST file.

    Args:
        path: the .npz file; without it the one that ``patchbench data fetch`` put into the cache.
        name: the set, ``bloodmnist``; guessed from the file's name where it is left out.
        image_size: without a path, the file with images at least as large is taken (or the largest there is).
        cache_dir: where the arrays are unpacked to; a download that is not there is looked for in the user's folder.

    Raises:
        DataError: there is no such set or file, or it is not laid out as MedMNIST is.
    """
    from bench.data.cache_dir import cache_folder, fetched_folder

    known = _known(name or (path.stem if path else ""), must=name is not None)
    if path is None:
        if known is None:
            raise DataError(f"A MedMNIST data set needs a name ({', '.join(sorted(MEDMNIST))}) or the path of its .npz")
        size = next((side for side in MEDMNIST_SIZES if side >= image_size), MEDMNIST_SIZES[-1])
        path = fetched_folder("downloads", known.file(size), cache_dir) / known.file(size)
        if not path.exists():
            raise DataError(
                f"{known.name} is not here yet: run `patchbench data fetch {Path(known.file(size)).stem}`, or "
                "give the file with --data"
            )
    path = path.expanduser()
    labels, stamp = _labels(path)
    unpacked = _unpack(path, cache_folder(cache_dir) / "npz" / stamp[:32])
    records: list[Sample] = []
    for part, values in labels.items():
        shape = np.load(unpacked / f"{part}.npy", mmap_mode="r", allow_pickle=False).shape
        if shape[0] != len(values):
            raise DataError(f"{path}: {part}_images has {shape[0]:,} images and {part}_labels {len(values):,} labels")
        names = known.labels if known else tuple(f"class {index}" for index in range(int(values.max()) + 1))
        if values.min() < 0 or values.max() >= len(names):
            raise DataError(f"{path}: a label of {part} lies outside 0..{len(names) - 1}")
        records += [
            Sample(name=f"{part}/{row:06d}", label=names[int(value)], split=_PARTS[part])
            for row, value in enumerate(values)
        ]
    return Source(
        records=tuple(sorted(records, key=lambda record: record.name)),
        reader=NpzReader(str(unpacked)),
        card=_card(known, path),
        stamp=stamp,
    )


def _known(name: str, *, must: bool) -> MedMnistSet | None:
    plain = re.sub(r"_(64|128|224)$", "", name.lower())
    if plain in MEDMNIST:
        return MEDMNIST[plain]
    if must:
        why = " (it has several labels an image, which is not supported)" if plain == "chestmnist" else ""
        raise DataError(
            f"There is no MedMNIST set {name!r}{why}.{nearest(plain, MEDMNIST)} "
            f"There are: {', '.join(sorted(MEDMNIST))}"
        )
    return None


def _card(known: MedMnistSet | None, path: Path) -> DataCard:
    if known is None:
        return DataCard(name=path.stem, source="medmnist", path=str(path))
    unknown = [Notice.of("patients_not_in_file")]
    if known.name == "bloodmnist":
        unknown.append(Notice.of("bloodmnist_of_pbc"))
    return DataCard(
        name=known.name,
        source="medmnist",
        path=str(path),
        license=known.license,
        citation=MEDMNIST_CITATION,
        url="https://medmnist.com",
        unknown=tuple(unknown),
    )


def _labels(path: Path) -> tuple[dict[str, NDArray[np.int64]], str]:
    """Read the labels, and make a stamp of the members' checksums."""
    labels: dict[str, NDArray[np.int64]] = {}
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(path) as archive:
            for part in _PARTS:
                for kind in ("images", "labels"):
                    info = archive.getinfo(f"{part}_{kind}.npy")
                    digest.update(f"{info.filename}\0{info.file_size}\0{info.CRC}\n".encode())
                if info.file_size > _MAX_LABEL_BYTES:
                    raise DataError(f"{path}: {info.filename} claims {info.file_size:,} bytes; refused")
                values = np.load(io.BytesIO(archive.read(info)), allow_pickle=False)
                if values.size != len(values) or values.dtype.kind not in "iu" or not values.size:
                    raise DataError(f"{path}: {part}_labels is not one whole number for each image")
                labels[part] = values.reshape(-1).astype(np.int64)
    except KeyError as error:
        raise DataError(f"{path}: no MedMNIST file: {error.args[0]}") from error
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; check the path given with --data or dataset.path") from error
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, EOFError) as error:
        raise DataError(f"{path}: no .npz file, or one that is cut short ({error}); fetch it again") from error
    return labels, digest.hexdigest()


def _unpack(path: Path, target: Path) -> Path:
    """Unpack the images into the cache, where they can be mapped into memory; only the first time."""
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix="stage-", dir=target.parent))
        try:
            with zipfile.ZipFile(path) as archive:
                for name in _PARTS:
                    _unpack_one(archive, f"{name}_images.npy", part / f"{name}.npy", path)
            if not target.is_dir():
                part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: damaged ({error}); fetch it again") from error
    except OSError as error:
        if not target.is_dir():  # another process was faster
            raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def _unpack_one(archive: zipfile.ZipFile, member: str, target: Path, path: Path) -> None:
    info = archive.getinfo(member)
    if info.file_size > _BOMB_RATIO * max(1, info.compress_size) or (
        info.file_size > shutil.disk_usage(target.parent).free
    ):
        raise DataError(
            f"{path}: {member} would swell to {info.file_size / 2**20:,.0f} MiB, more than the disk has room for or an "
            "honest file would; refused"
        )
    with archive.open(info) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out, 2**20)
    try:
        array = np.load(target, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise DataError(f"{path}: {member} is not a plain array: {error}") from error
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3):
        raise DataError(
            f"{path}: {member} holds {array.dtype} of shape {array.shape}; 2D images are 8-bit, N x H x W (x 3)"
        )
