"""The user's own files: folders, zips and CSVs, honest and hostile."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.decode import decode
from bench.data.sources import open_source
from bench.errors import DataError
from bench.results.notice import Notice
from bench.study.dataset import DatasetSpec

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


def test_other_files_are_reported_and_litter_is_not(make_folder: MakeFolder) -> None:
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
    ignored = dict(source.ignored)
    assert set(ignored) == {"blue cell/notes.txt", "loose.png", ".ipynb_checkpoints/a.png"}
    assert ignored["loose.png"].code == "outside_class_folders"
    assert ignored["blue cell/notes.txt"].code == "suffix_unknown"
    assert ignored[".ipynb_checkpoints/a.png"].code == "hidden_folder"
    assert "blue cell/.hidden.jpg" in {record.name for record in source.records}


def test_train_and_test_folders_are_the_official_split(make_folder: MakeFolder) -> None:
    root = make_folder(2, ("train/a", "train/b", "val/a", "val/b", "test/a", "test/b"))
    source = open_source(DatasetSpec(path=root))
    assert {record.split for record in source.records} == {"train", "validation", "test"}
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


def test_a_path_that_is_not_there_is_reported(tmp_path: Path) -> None:
    for name in ("none", "none.zip", "none.csv", "none.npz"):
        with pytest.raises(DataError, match=r"there is no such f.*--data"):
            open_source(DatasetSpec(path=tmp_path / name))


@pytest.mark.parametrize("end", ["", ".zip", ".csv"])
def test_a_path_that_no_file_system_takes_is_reported(tmp_path: Path, end: str) -> None:
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        open_source(DatasetSpec(path=tmp_path / ("x" * 300 + end)))
    (tmp_path / f"loop{end}").symlink_to(tmp_path / f"loop{end}")
    with pytest.raises(DataError, match=r"cannot be read: .*symbolic links"):
        open_source(DatasetSpec(path=tmp_path / f"loop{end}"))


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
    assert {name: notice.code for name, notice in source.ignored} == {
        "blue cell/broken.png": "broken_link",
        "blue cell/pipe.png": "not_regular_file",
        "blue cell/loop": "link_to_listed",
    }


def test_a_class_that_is_a_link_to_another_is_reported(make_folder: MakeFolder) -> None:
    root = make_folder()
    (root / "other name").symlink_to(root / "blue cell")
    assert open_source(DatasetSpec(path=root)).ignored == (("other name", Notice.of("link_to_listed")),)


def test_files_that_differ_only_in_accent_encoding_are_refused(make_folder: MakeFolder) -> None:
    root = make_folder()
    for name in ("\u00e9.png", "e\u0301.png"):  # one letter, or two code points
        (root / "blue cell" / name).write_bytes((root / "blue cell" / "000.png").read_bytes())
    with pytest.raises(DataError, match="differ only in accent encoding"):
        open_source(DatasetSpec(path=root))


def test_the_number_of_classes_is_checked(make_folder: MakeFolder) -> None:
    root = make_folder()
    assert open_source(DatasetSpec(path=root, classes=2))
    with pytest.raises(DataError, match=r"dataset\.classes is 3, but there are 2"):
        open_source(DatasetSpec(path=root, classes=3))


# Hostile zips


@pytest.mark.parametrize(
    "name", ["../evil/a.png", "a/../../b.png", "/etc/a.png", "C:\\x\\a.png", "..\\x\\a.png", "../evil/"]
)
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
    assert [(r.name, r.label, r.split, r.group) for r in source.records] == [
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
        ("path,label\na/000.png,x\n./a//000.png,y\n", "listed before: line 3 .*first in line 2"),
        ("path,label\na/000.png,\n", "no label: line 2"),
        ("path,label\na/000.png,X\nb/000.png,x\n", "differ only in capitals"),
        ("path,label\na/000.png,X\nb/000.png,X\u200b\n", "characters that nobody sees"),
        ("path,label\na/000.png,X y\nb/000.png,X  y\n", "differ only in capitals, spaces"),
        ("path,label\na/000.png,catt\n", r"line 2 \('catt'\) Did you mean 'cat'"),
        ("file,label\na/000.png,x\n", "no column 'path', only 'file', 'label'"),
        ("path;label\na/000.png;x\n", "commas"),
        ("path,label\n", "no images are listed"),
        ("", "the file is empty; it begins with a line of column names"),
        ("path,label,label\na/000.png,x,y\n", "the column 'label' twice"),
        ("path,label\na/000.png,x,y\n", "more values than columns"),
        ("path,label\na\0b,x\n", "not there|not a readable CSV"),
    ],
)
def test_faults_of_a_csv_are_reported_with_their_lines(make_folder: MakeFolder, text: str, message: str) -> None:
    path = _csv(make_folder(1, ("a", "b")), text)
    labels = ["cat", "dog"] if "catt" in text else None
    with pytest.raises(DataError, match=message):
        open_source(DatasetSpec(path=path, labels=labels))


def test_a_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("path,label\na,é\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        open_source(DatasetSpec(path=path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["x.csv", "x.zip", "x.npz", "x"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="neither a file nor a folder"):
        open_source(DatasetSpec(path=tmp_path / name))
