from __future__ import annotations

import importlib.util
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.images import decode
from bench.data.sources import open_source
from bench.data.spec import DatasetSpec
from bench.errors import DataError, DependencyError

MakeFolder = Callable[..., Path]


def test_a_folder_and_a_zip_of_it_name_the_images_alike(make_folder: MakeFolder, make_zip: MakeFolder) -> None:
    folder = open_source(DatasetSpec(path=make_folder()))
    zipped = open_source(DatasetSpec(path=make_zip(top="some_top/inner/")))
    assert folder.records == zipped.records
    assert {record.label for record in folder.records} == {"blue cell", "célula"}
    assert [zipped.read(r.name) for r in zipped.records] == [folder.read(r.name) for r in folder.records]


def test_readers_travel_to_other_processes(make_folder: MakeFolder, make_zip: MakeFolder) -> None:
    for path in (make_folder(), make_zip()):
        source = open_source(DatasetSpec(path=path))
        first = source.records[0].name
        source.read(first)
        copy = pickle.loads(pickle.dumps(source.reader))
        assert copy.read(first) == source.read(first)


def test_hostile_class_names_are_kept_as_they_are(make_folder: MakeFolder) -> None:
    names = ("<script>alert(1)<", "a & b", "naïve 細胞", "'; DROP TABLE--")
    source = open_source(DatasetSpec(path=make_folder(2, names)))
    assert {record.label for record in source.records} == set(names)


def test_other_files_are_told_and_litter_is_not(make_folder: MakeFolder) -> None:
    root = make_folder()
    (root / "blue cell" / "notes.txt").write_text("x")
    (root / "blue cell" / ".DS_Store").write_text("x")
    (root / "Thumbs.db").write_text("x")
    (root / "blue cell" / "._000.png").write_text("x")
    (root / "blue cell" / ".hidden.jpg").write_text("x")
    (root / "loose.png").write_bytes((root / "blue cell" / "000.png").read_bytes())
    (root / ".ipynb_checkpoints").mkdir()
    (root / ".ipynb_checkpoints" / "a.png").write_text("x")
    source = open_source(DatasetSpec(path=root))
    told = dict(source.ignored)
    assert set(told) == {"blue cell/notes.txt", "loose.png", ".ipynb_checkpoints/a.png"}
    assert "no class folder" in told["loose.png"]
    assert "blue cell/.hidden.jpg" in {record.name for record in source.records}


def test_train_and_test_folders_are_the_official_split(make_folder: MakeFolder) -> None:
    root = make_folder(2, ("train/a", "train/b", "val/a", "val/b", "test/a", "test/b"))
    source = open_source(DatasetSpec(path=root))
    assert {record.side for record in source.records} == {"train", "validation", "test"}
    assert {record.label for record in source.records} == {"a", "b"}


def test_class_folders_that_differ_only_in_case_are_refused(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match="'Cell' and 'cell' differ only in capitals"):
        open_source(DatasetSpec(path=make_folder(2, ("Cell", "cell", "other"))))


@pytest.mark.parametrize("content", ["nothing", "text", "loose"])
def test_a_folder_without_class_folders_is_refused(tmp_path: Path, content: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    if content == "text":
        (root / "a").mkdir()
        (root / "a" / "x.txt").write_text("x")
    if content == "loose":
        (root / "a.png").write_bytes(b"x")
        (root / "b.png").write_bytes(b"x")
    message = "no images found" if content != "loose" else "class folder"
    with pytest.raises(DataError, match=message):
        open_source(DatasetSpec(path=root))


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in ("none", "none.zip", "none.csv", "none.npz"):
        with pytest.raises(DataError, match=r"there is no such f.*--data"):
            open_source(DatasetSpec(path=tmp_path / name))


def test_a_path_is_asked_for() -> None:
    with pytest.raises(DataError, match="--data"):
        open_source(DatasetSpec(source="pbc"))


def test_links_within_a_folder_are_followed_but_never_round_and_round(make_folder: MakeFolder) -> None:
    root = make_folder()
    (root / "blue cell" / "loop").symlink_to(root)
    (root / "blue cell" / "linked.png").symlink_to(root / "célula" / "000.png")
    (root / "blue cell" / "broken.png").symlink_to(root / "gone.png")
    os.mkfifo(root / "blue cell" / "pipe.png")
    source = open_source(DatasetSpec(path=root))
    assert len(source.records) == 13
    assert {reason for _, reason in source.ignored} == {"a broken link", "not a regular file"}


def test_the_number_of_classes_is_checked(make_folder: MakeFolder) -> None:
    root = make_folder()
    assert open_source(DatasetSpec(path=root, classes=2))
    with pytest.raises(DataError, match="says 3 classes, but there are 2"):
        open_source(DatasetSpec(path=root, classes=3))


# Hostile zips


@pytest.mark.parametrize("name", ["../evil/a.png", "a/../../b.png", "/etc/a.png", "C:\\x\\a.png", "..\\x\\a.png"])
def test_a_zip_with_a_path_that_leads_out_is_refused(make_zip: MakeFolder, name: str) -> None:
    with pytest.raises(DataError, match="leads out of the zip"):
        open_source(DatasetSpec(path=make_zip(extra={name: b"x"})))


def test_a_zip_with_a_symbolic_link_is_refused(make_zip: MakeFolder) -> None:
    path = make_zip()
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("blue cell/link.png")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="symbolic link"):
        open_source(DatasetSpec(path=path))


def test_a_nested_zip_is_refused(make_zip: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"another zip \('more/inner.zip'\)"):
        open_source(DatasetSpec(path=make_zip(extra={"more/inner.zip": b"PK"})))


def test_a_zip_with_a_password_is_refused(make_zip: MakeFolder) -> None:
    path = make_zip()
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature)
        data[place + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="protected by a password"):
        open_source(DatasetSpec(path=path))


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_zip_that_is_cut_short_is_refused(make_zip: MakeFolder, keep: float) -> None:
    path = make_zip()
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match="no zip, or one that is cut short"):
        open_source(DatasetSpec(path=path))


def test_a_bomb_is_refused(make_zip: MakeFolder) -> None:
    path = make_zip()
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("blue cell/bomb.png", bytes(64 * 2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(DataError, match=r"bomb\.png.*would swell"):
        open_source(DatasetSpec(path=path))


def test_a_member_that_claims_gigabytes_is_refused(make_zip: MakeFolder) -> None:
    path = make_zip()
    data = bytearray(path.read_bytes())
    place = data.find(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 2**31)
    path.write_bytes(data)
    with pytest.raises(DataError, match="MiB"):
        open_source(DatasetSpec(path=path))


def test_members_that_overlap_are_refused(make_zip: MakeFolder) -> None:
    path = make_zip()
    with zipfile.ZipFile(path) as archive:
        offsets = [info.header_offset for info in archive.infolist()]
    data = bytearray(path.read_bytes())
    first = data.find(b"PK\x01\x02")
    second = data.find(b"PK\x01\x02", first + 4)
    data[second + 42 : second + 46] = struct.pack("<I", offsets[0])
    path.write_bytes(data)
    with pytest.raises(DataError, match="overlap"):
        open_source(DatasetSpec(path=path))


def test_a_name_that_is_there_twice_is_refused(make_zip: MakeFolder) -> None:
    path = make_zip()
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("blue cell/000.png", b"x")
    with pytest.raises(DataError, match="twice"):
        open_source(DatasetSpec(path=path))


def test_a_damaged_member_fails_alone(make_zip: MakeFolder) -> None:
    path = make_zip()
    data = bytearray(path.read_bytes())
    data[100] ^= 0xFF
    path.write_bytes(data)
    source = open_source(DatasetSpec(path=path))
    names = [record.name for record in source.records]
    with pytest.raises(DataError, match="cannot be read from the zip"):
        source.read(names[0])
    assert decode(source.read(names[1]), names[1]).shape == (40, 40, 3)


def test_nothing_is_unpacked_beside_the_users_files(make_zip: MakeFolder) -> None:
    path = make_zip()
    before = sorted(path.parent.rglob("*"))
    source = open_source(DatasetSpec(path=path))
    for record in source.records:
        source.read(record.name)
    assert sorted(path.parent.rglob("*")) == before


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
    assert "patient" in eight.card.unknown[0]
    assert eight.card.licence == "CC BY 4.0"


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
    assert source.card.licence == "CC BY 4.0"
    with np.load(path) as arrays:
        wanted = arrays["val_images"][7]
    assert (decode(pickle.loads(pickle.dumps(source.reader)).read("val/000007"), "x") == wanted).all()


def test_grey_medmnist_is_repeated(tmp_path: Path) -> None:
    grey = {
        f"{part}_images": np.full((n, 28, 28), 9, np.uint8) for part, n in (("train", 40), ("val", 16), ("test", 24))
    }
    source = open_source(DatasetSpec(path=_npz(tmp_path / "other.npz", **grey)), cache_dir=tmp_path / "cache")
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


# CSV


def _csv(root: Path, text: str) -> Path:
    path = root / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_lists_images(make_folder: MakeFolder) -> None:
    root = make_folder(2, ("a", "b"))
    path = _csv(root, "file,kind,side,patient\na/000.png,x,train,1\nb/000.png,ÿ y,val,2\n")
    spec = DatasetSpec(path=path, path_column="file", label_column="kind", split_column="side")
    source = open_source(spec, group_column="patient")
    assert [(r.name, r.label, r.side, r.group) for r in source.records] == [
        ("a/000.png", "x", "train", "1"),
        ("b/000.png", "ÿ y", "validation", "2"),
    ]
    assert decode(source.read("a/000.png"), "x").shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,label\na/000.png,x\nno/where.png,x\n",
            r"1 lines name a file that is not there.*line 3 \(no/",
        ),
        ("path,label\na/000.png,x\na/000.png,x\n", "listed before: line 3 .*first in line 2"),
        ("path,label\na/000.png,\n", "no label: line 2"),
        ("path,label\na/000.png,X\nb/000.png,x\n", "differ only in capitals"),
        ("path,label\na/000.png,catt\n", r"line 2 \('catt'\) Did you mean 'cat'"),
        ("file,label\na/000.png,x\n", "no column 'path', only 'file', 'label'"),
        ("path;label\na/000.png;x\n", "commas"),
        ("path,label\n", "no images are listed"),
        ("", "no column 'path'"),
        ("path,label\na/000.png,x,y\n", "more values than columns"),
        ("path,label\na\0b,x\n", "not there|not a readable CSV"),
    ],
)
def test_faults_of_a_csv_are_told_with_their_lines(make_folder: MakeFolder, text: str, message: str) -> None:
    path = _csv(make_folder(1, ("a", "b")), text)
    labels = ["cat", "dog"] if "catt" in text else None
    with pytest.raises(DataError, match=message):
        open_source(DatasetSpec(path=path, labels=labels))


def test_a_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("path,label\na,é\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        open_source(DatasetSpec(path=path))


# torchvision and Hugging Face


def test_torchvision_sets_are_exported_once(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    raw = tmp_path / "hub" / "raw" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 20), ("t10k", 10)):
        images = np.arange(count * 784, dtype=np.uint32).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, count, 28, 28) + images.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())
    spec = DatasetSpec(source="torchvision", name="MNIST")
    source = open_source(spec, cache_dir=tmp_path)
    assert len(source.records) == 30
    assert {record.side for record in source.records} == {"train", "test"}
    assert "7 - seven" in {record.label for record in source.records}
    assert open_source(spec, cache_dir=tmp_path).records == source.records


def test_an_unknown_torchvision_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are CIFAR10"):
        open_source(DatasetSpec(source="torchvision", name="MNISTT"), cache_dir=tmp_path)
    assert not list((tmp_path / "hub").glob("*.zip"))


def test_a_missing_library_is_told_with_the_line_that_installs_it(tmp_path: Path) -> None:
    if importlib.util.find_spec("datasets"):
        pytest.skip("the library datasets is installed here")
    with pytest.raises(DependencyError, match="pip install datasets"):
        open_source(DatasetSpec(source="huggingface", name="owner/set"), cache_dir=tmp_path)
