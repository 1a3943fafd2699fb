"""The sets that have a name: PBC, drawings, MedMNIST, torchvision's and Hugging Face's."""

from __future__ import annotations

import importlib.util
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.decode import decode
from bench.data.sources import open_source
from bench.errors import DataError, DependencyError
from bench.results.notice import Notice
from bench.study.dataset import DatasetSpec

MakeFolder = Callable[..., Path]


# PBC


@pytest.fixture
def small_pbc(make_folder: MakeFolder) -> Path:
    root = make_folder(3, ("ig", "neutrophil"))
    for folder, prefixes in (("ig", ("PMY", "MMY", "IG")), ("neutrophil", ("BNE", "SNE", "NEUTROPHIL"))):
        for file, prefix in zip(sorted((root / folder).iterdir()), prefixes, strict=True):
            file.rename(file.with_name(f"{prefix}_{file.name}"))
    return root


def test_pbc_has_eight_or_thirteen_labels(small_pbc: Path) -> None:
    eight = open_source(DatasetSpec(source="pbc", path=small_pbc))
    thirteen = open_source(DatasetSpec(source="pbc", path=small_pbc, classes=13))
    assert {record.label for record in eight.records} == {"ig", "neutrophil"}
    assert {record.label for record in thirteen.records} == {"PMY", "MMY", "IG", "BNE", "SNE", "NEUTROPHIL"}
    assert [record.name for record in eight.records] == [record.name for record in thirteen.records]
    assert [notice.code for notice in eight.card.unknown] == ["patient_unknown"]
    assert eight.card.license == "CC BY 4.0"


def test_pbc_refuses_other_folders(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match="not the PBC set"):
        open_source(DatasetSpec(source="pbc", path=make_folder()))


def test_the_real_set_is_listed(pbc_zip: Path) -> None:
    source = open_source(DatasetSpec(source="pbc", path=pbc_zip))
    assert len(source.records) == 2241
    assert len({record.label for record in source.records}) == 8
    assert source.records[0].name == "basophil/BA_10387.jpg"


# Synthetic


def test_drawings_repeat_by_seed() -> None:
    spec = DatasetSpec(count=16, image_size=32, seed=5)
    one, two = open_source(spec), open_source(spec)
    other = open_source(DatasetSpec(count=16, image_size=32, seed=6))
    name = one.records[3].name
    assert one.read(name) == two.read(name) != other.read(name)
    assert len({record.label for record in one.records}) == 8
    assert decode(one.read(name), name).shape == (32, 32, 3)
    assert one.card.synthetic


# MedMNIST


def _npz(path: Path, **changes: np.ndarray) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for part, count in (("train", 40), ("val", 16), ("test", 24)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, 28, 28, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count, dtype=np.uint8) % 8)[:, None]
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=True, **(arrays | changes))
    return path


def test_medmnist_brings_its_split_and_names(tmp_path: Path) -> None:
    path = _npz(tmp_path / "bloodmnist.npz")
    source = open_source(DatasetSpec(path=path), cache_dir=tmp_path / "cache")
    assert len(source.records) == 80
    assert {record.label for record in source.records} >= {"basophil", "platelet", "immature granulocytes"}
    assert source.card.license == "CC BY 4.0"
    with np.load(path) as arrays:
        wanted = arrays["val_images"][7]
    assert (decode(pickle.loads(pickle.dumps(source.reader)).read("val/000007"), "x") == wanted).all()


def test_gray_medmnist_is_repeated(tmp_path: Path) -> None:
    gray = {
        f"{part}_images": np.full((n, 28, 28), 9, np.uint8) for part, n in (("train", 40), ("val", 16), ("test", 24))
    }
    source = open_source(DatasetSpec(path=_npz(tmp_path / "other.npz", **gray)), cache_dir=tmp_path / "cache")
    assert (decode(source.read("train/000000"), "x") == 9).all()
    assert source.records[0].label.startswith("class ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_labels": np.zeros((40, 14), np.uint8)}, "one whole number"),
        ({"train_labels": np.zeros((39, 1), np.uint8)}, "40 images and train_labels 39"),
        ({"train_labels": np.full((40, 1), 9, np.uint8)}, r"outside 0\.\.7"),
        ({"test_images": np.zeros((24, 28, 28, 3), np.float32)}, "8-bit|swell"),
        ({"test_labels": np.array([object()] * 24)}, "no .npz file|pickle"),
        ({"val_images": np.zeros((16, 28, 28, 28), np.uint8)}, "8-bit|swell"),
    ],
)
def test_odd_arrays_are_refused(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(DatasetSpec(path=_npz(tmp_path / "bloodmnist.npz", **changes)), cache_dir=tmp_path / "cache")


def test_other_npz_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.zeros(3))
    with pytest.raises(DataError, match="no MedMNIST file"):
        open_source(DatasetSpec(path=path), cache_dir=tmp_path)
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match="cut short"):
        open_source(DatasetSpec(path=path), cache_dir=tmp_path)


def test_medmnist_by_name_asks_for_a_fetch(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="patchbench data fetch bloodmnist_224"):
        open_source(DatasetSpec(name="bloodmnist"), cache_dir=tmp_path)
    with pytest.raises(DataError, match="'bloodmnist'"):
        open_source(DatasetSpec(name="bloodmnits"), cache_dir=tmp_path)
    with pytest.raises(DataError, match="several labels"):
        open_source(DatasetSpec(name="chestmnist"), cache_dir=tmp_path)
    (tmp_path / "downloads").mkdir()
    _npz(tmp_path / "downloads" / "bloodmnist.npz")
    assert open_source(DatasetSpec(name="bloodmnist", image_size=28), cache_dir=tmp_path).records


def test_a_download_of_the_user_is_found_whatever_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBENCH_CACHE", str(tmp_path / "user"))
    (tmp_path / "user" / "downloads").mkdir(parents=True)
    _npz(tmp_path / "user" / "downloads" / "bloodmnist.npz")
    source = open_source(DatasetSpec(name="bloodmnist", image_size=28), cache_dir=tmp_path / "once")
    assert source.read(source.records[0].name)
    assert (tmp_path / "once" / "npz").is_dir()
    assert [path.name for path in (tmp_path / "user").iterdir()] == ["downloads"]


# torchvision and Hugging Face


def test_torchvision_sets_are_exported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    monkeypatch.setenv("PATCHBENCH_CACHE", str(tmp_path))
    raw = tmp_path / "hub" / "raw" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 20), ("t10k", 10)):
        images = np.arange(count * 784, dtype=np.uint32).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, count, 28, 28) + images.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())
    spec = DatasetSpec(source="torchvision", name="MNIST")
    source = open_source(spec)
    assert len(source.records) == 30
    assert {record.split for record in source.records} == {"train", "test"}
    assert "7 - seven" in {record.label for record in source.records}
    assert open_source(spec, cache_dir=tmp_path / "once").records == source.records


_LIBRARY = """
from PIL import Image as Images

class Image: pass

class ClassLabel:
    names = ["cat", "dog"]

class Part(list):
    features = {"image": Image(), "label": ClassLabel()}

def rows(labels, mode="RGB"):
    return Part({"image": Images.new(mode, (8, 8)), "label": label} for label in labels)

def load_dataset(name, cache_dir):
    if name == "bare":
        return {"train": rows([None, -1])}
    modes = ("CMYK", "YCbCr", "HSV", "PA", "La", "LA", "P", "1", "I;16", "F", "RGBA", "L")
    images = [row for mode in modes for row in rows([0, 1], mode)]
    return {"train": Part(images + rows([-1, None, 2])), "validation": rows([0, 1]), "test": rows([-1] * 5)}
"""
"""Stands for the library ``datasets``, which loads nothing without a network."""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "datasets.py").write_text(_LIBRARY)
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "library"), *([before] if before else [])]))
    monkeypatch.setenv("PATCHBENCH_CACHE", str(tmp_path / "user"))


@pytest.mark.usefixtures("library")
def test_images_without_a_label_are_left_out_and_reported(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "once"):  # exported once, into the user's cache
        source = open_source(DatasetSpec(source="huggingface", name="owner/set"), cache_dir=folder)
        assert len(source.records) == 26
        assert {(record.label, record.split) for record in source.records} == {
            (label, split) for label in ("cat", "dog") for split in ("train", "validation")
        }
        assert source.card.unknown[1:] == (
            Notice.of("images_without_labels", count=3, images=27, split="train"),
            Notice.of("split_without_labels", count=5, split="test"),
        )
    assert not (tmp_path / "once").exists()
    for record in source.records:
        assert decode(source.read(record.name), record.name).shape == (8, 8, 3)


@pytest.mark.usefixtures("library")
def test_a_set_without_any_label_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'bare': none of its images has a label"):
        open_source(DatasetSpec(source="huggingface", name="bare"))
    assert not list((tmp_path / "user" / "hub").glob("*.zip"))


def test_an_unknown_torchvision_set_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are CIFAR10"):
        open_source(DatasetSpec(source="torchvision", name="MNISTT"), cache_dir=tmp_path)
    assert not list((tmp_path / "hub").glob("*.zip"))


def test_a_missing_library_is_reported_with_the_line_that_installs_it(tmp_path: Path) -> None:
    if importlib.util.find_spec("datasets"):
        pytest.skip("the library datasets is installed here")
    with pytest.raises(DependencyError, match=r"pip install 'patchbench\[huggingface\]'"):
        open_source(DatasetSpec(source="huggingface", name="owner/set"), cache_dir=tmp_path)
