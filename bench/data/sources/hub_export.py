"""Write a Hugging Face or torchvision data set as a zip of class folders (in a child process, for ``hub``)."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from bench.errors import DataError, DependencyError

__all__ = ["export"]

_MISSING = "this data set needs another package: python -m pip install"

_PARTS = {"train": "train", "validation": "val", "valid": "val", "test": "test"}

_TRAIN_FLAG = ("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "QMNIST", "USPS")
_TWO_PARTS = ("Food101", "GTSRB", "STL10", "SVHN")
_THREE_PARTS = ("DTD", "FGVCAircraft", "Flowers102", "PCAM")


def _torchvision_parts() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The sets with one label an image that need no more than a folder: split and arguments of each part."""
    parts: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "OxfordIIITPet": [("train", {"split": "trainval"}), ("test", {"split": "test"})]
    }
    for name in _TRAIN_FLAG:
        parts[name] = [("train", {"train": True}), ("test", {"train": False})]
    for name in _TWO_PARTS:
        parts[name] = [(split, {"split": split}) for split in ("train", "test")]
    for name in _THREE_PARTS:
        parts[name] = [(split, {"split": split}) for split in ("train", "val", "test")]
    return parts


_PLAIN = {"RGB": "ppm", "L": "pgm"}
"""Without compression the files, and so the data set's fingerprint, are the same on every machine."""

_PNG = ("1", "LA", "I", "I;16", "P", "RGBA")
_CONVERTED = {"CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB", "PA": "RGBA", "RGBa": "RGBA", "La": "LA"}
"""Modes that PNG does not have, as what they are stored."""

_Row = tuple[str, str | None, Any]
"""Split, class (None where there is no label) and image (None where there is none)."""


def export(kind: str, name: str, target: str, raw: str) -> None:
    """Write every image, losslessly, below ``SPLIT/CLASS/`` into the zip ``target``; downloads go to ``raw``.

    Images without a label are left out; the comment of the zip counts them as JSON, a line for each split.

    Raises:
        DataError: there is no such set, or none of its images can be used.
        DependencyError: the library that brings it is not installed.
    """
    rows = _huggingface(name, raw) if kind == "huggingface" else _torchvision(name, raw)
    seen: Counter[str] = Counter()
    bare: Counter[str] = Counter()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for index, (split, label, image) in enumerate(rows):
            seen[split] += 1
            if label is None or image is None:
                bare[split] += 1
                continue
            ending, data = _encoded(image)
            archive.writestr(f"{split}/{_folder(label)}/{index:08d}.{ending}", data)
        archive.comment = "\n".join(_left_out(split, bare[split], seen[split]) for split in bare).encode()
    if not seen:
        raise DataError("has no images in a part called train, validation or test")
    if bare.total() == seen.total():
        raise DataError("none of its images has a label, so nothing can be learned from it")


def _left_out(split: str, bare: int, seen: int) -> str:
    split = {"val": "validation"}.get(split, split)
    return json.dumps({"split": split, "left_out": bare, "images": seen})


def _encoded(image: Any) -> tuple[str, bytes]:
    """The image as a file, and how the file's name ends."""
    if image.mode in _CONVERTED:
        image = image.convert(_CONVERTED[image.mode])
    ending = _PLAIN.get(image.mode, "png" if image.mode in _PNG else "tif")
    data = io.BytesIO()
    image.save(data, {"png": "PNG", "tif": "TIFF"}.get(ending, "PPM"))
    return ending, data.getvalue()


def _folder(label: str) -> str:
    """A label as the name of a folder: no separators, no dots at the start."""
    clean = label.replace("/", "-").replace("\\", "-").strip()
    return quote(clean, safe="") if clean.startswith(".") or not clean else clean


def _torchvision(name: str, raw: str) -> Iterator[_Row]:
    known = _torchvision_parts()
    if name not in known:
        raise DataError(f"not one that can be used; there are {', '.join(sorted(known))}")
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DependencyError(f"{_MISSING} torchvision") from error
    for split, arguments in known[name]:
        data = getattr(datasets, name)(root=raw, download=True, **arguments)
        classes = getattr(data, "classes", None)
        for image, label in data:
            yield split, str(classes[label]) if classes else f"class {label}", image


def _huggingface(name: str, raw: str) -> Iterator[_Row]:
    try:
        from datasets import load_dataset  # type: ignore[import-not-found]
    except ImportError as error:  # or a folder of that name in the working directory
        raise DependencyError(f"{_MISSING} 'patchbench[huggingface]'") from error
    parts = load_dataset(name, cache_dir=raw)
    for part, data in parts.items():
        image = _column(data.features, "Image")
        label = _column(data.features, "ClassLabel")
        names = data.features[label].names
        if part not in _PARTS:
            continue
        for row in data:
            value = row[label]
            known = value is not None and 0 <= value < len(names)  # -1 is how many sets hide the labels of their test
            yield _PARTS[part], names[value] if known else None, row[image]


def _column(features: Any, kind: str) -> str:
    for column, feature in features.items():
        if type(feature).__name__ == kind:
            return str(column)
    raise DataError(f"has no column of type {kind}, so it is no set of labeled images")
