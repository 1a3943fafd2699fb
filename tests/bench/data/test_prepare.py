from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.data.decode import decode, resize
from bench.data.pixels.cache import load_pixels
from bench.data.pixels.thumbnails import make_thumbnails
from bench.data.prepare import pixels, pixels_path, prepare
from bench.data.sources import open_source
from bench.data.split.csv_file import read_split, write_split
from bench.errors import DataError, RunError
from bench.results.dataset import DatasetManifest
from bench.results.notice import Notice
from bench.results.thumbnails import read_thumbnails
from bench.study.dataset import DatasetSpec, DuplicatePolicy, SplitSpec

MakeFolder = Callable[..., Path]


def test_rows_of_the_cache_are_the_images_of_the_manifest(make_folder: MakeFolder) -> None:
    root = make_folder(8)
    (root / "blue cell" / "000.png").write_bytes(b"broken")
    (root / "célula" / "004.png").write_bytes((root / "célula" / "003.png").read_bytes())
    spec = DatasetSpec(path=root, image_size=24)
    manifest = prepare(spec)
    assert len(manifest.names) == 14
    source = open_source(spec)
    for size in (24, 17):
        rows = load_pixels(pixels(manifest, spec, size))
        assert rows.shape == (14, size, size, 3)
        for row, name in enumerate(manifest.names):
            assert (rows[row] == resize(decode(source.read(name), name), size)).all()
            assert manifest.classes[manifest.labels[row]] == name.partition("/")[0]


def test_a_manifest_survives_json(make_folder: MakeFolder) -> None:
    manifest = prepare(DatasetSpec(path=make_folder(), image_size=16))
    assert DatasetManifest.from_json(manifest.to_json()) == manifest
    for damaged in (
        "",
        "{}",
        manifest.to_json()[:-20],
        manifest.to_json().replace('"fingerprint": "', '"fingerprint": ["'),
        manifest.to_json().replace('"splits": [', '"splits": ["train",'),
    ):
        with pytest.raises(RunError, match=r"RUN/dataset\.json is damaged"):
            DatasetManifest.from_json(damaged, "RUN/dataset.json")
    newer = manifest.to_json().replace('"schema_version": 2', '"schema_version": 3')
    with pytest.raises(RunError, match=r"RUN/dataset\.json was written by a newer patchbench"):
        DatasetManifest.from_json(newer, "RUN/dataset.json")


def test_a_folder_and_its_zip_have_one_fingerprint(make_folder: MakeFolder, make_zip: MakeFolder) -> None:
    one = prepare(DatasetSpec(path=make_folder(), image_size=16))
    two = prepare(DatasetSpec(path=make_zip(top="x/"), image_size=32))
    assert one.fingerprint == two.fingerprint
    assert one.split_hash == two.split_hash


def test_the_fingerprint_depends_on_what_matters(make_folder: MakeFolder) -> None:
    root = make_folder(8)
    spec = DatasetSpec(path=root, image_size=16)
    first = prepare(spec)
    again = prepare(spec, SplitSpec(seed=3))
    assert again.fingerprint == first.fingerprint
    assert again.split_hash != first.split_hash
    fewer = prepare(spec.model_copy(update={"limit": 10}))
    (root / "célula").rename(root / "other")
    renamed = prepare(spec)
    (root / "other" / "000.png").write_bytes((root / "blue cell" / "001.png").read_bytes())
    changed = prepare(spec.model_copy(update={"duplicates": DuplicatePolicy(conflicting="keep")}))
    prints = {first.fingerprint, fewer.fingerprint, renamed.fingerprint, changed.fingerprint}
    assert len(prints) == 4


def test_a_second_scan_is_not_needed(make_folder: MakeFolder, tmp_path: Path) -> None:
    spec = DatasetSpec(path=make_folder(), image_size=16)
    seen: list[tuple[str, int, int]] = []
    first = prepare(spec, cache_dir=tmp_path / "c", progress=lambda *state: seen.append(state))
    assert seen[-1] == ("audit", 12, 12)
    seen.clear()
    second = prepare(spec, cache_dir=tmp_path / "c", progress=lambda *state: seen.append(state))
    assert seen == []
    assert second.model_copy(update={"seconds": 0.0}) == first.model_copy(update={"seconds": 0.0})
    facts = next((tmp_path / "c" / "facts").iterdir())
    facts.write_text(facts.read_text()[:-3], encoding="utf-8")
    assert prepare(spec, cache_dir=tmp_path / "c", progress=lambda *state: seen.append(state)).names == first.names
    assert seen


def test_a_changed_file_is_scanned_again(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder()
    spec = DatasetSpec(path=root, image_size=16)
    first = prepare(spec, cache_dir=tmp_path / "c")
    (root / "célula" / "000.png").write_bytes(b"broken")
    assert len(prepare(spec, cache_dir=tmp_path / "c").names) == len(first.names) - 1


@pytest.mark.parametrize("empty", ["folder", "zip", "unreadable"])
def test_an_empty_class_is_reported(make_folder: MakeFolder, tmp_path: Path, empty: str) -> None:
    root = make_folder()
    (root / "empty one").mkdir()
    path = root
    if empty == "unreadable":
        (root / "empty one" / "a.png").write_bytes(b"x")
    if empty == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", root))
    with pytest.raises(DataError, match="the class 'empty one' has no image"):
        prepare(DatasetSpec(path=path, image_size=16))


@pytest.mark.parametrize(
    ("per_class", "classes", "message"),
    [(9, ("only",), "only the class 'only'"), (2, ("a", "b"), "'a' has 2, 'b' has 2")],
)
def test_too_little_is_reported(
    make_folder: MakeFolder, per_class: int, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        prepare(DatasetSpec(path=make_folder(per_class, classes), image_size=16))


def test_groups_come_from_names_or_a_column(make_folder: MakeFolder) -> None:
    root = make_folder(30, ("a", "b"))
    by_name = prepare(DatasetSpec(path=root, image_size=16), SplitSpec(group=r"/(\d\d)\d"))
    splits: dict[str, set[str]] = {}
    for name, split in zip(by_name.names, by_name.splits, strict=True):
        splits.setdefault(name[2:4], set()).add(split)
    assert all(len(found) == 1 for found in splits.values())
    assert by_name.split_method == "grouped"
    lines = [f"{label}/{i:03d}.png,{label},p{i // 5}" for label in "ab" for i in range(30)]
    (root / "list.csv").write_text("path,label,patient\n" + "\n".join(lines))
    by_column = prepare(DatasetSpec(path=root / "list.csv", image_size=16), SplitSpec(group_column="patient"))
    patients: dict[int, set[str]] = {}
    for name, split in zip(by_column.names, by_column.splits, strict=True):
        patients.setdefault(int(name[2:5]) // 5, set()).add(split)
    assert all(len(found) == 1 for found in patients.values())
    with pytest.raises(DataError, match="finds nothing in the name"):
        prepare(DatasetSpec(path=root, image_size=16), SplitSpec(group="zzz"))
    with pytest.raises(DataError, match="only a csv"):
        prepare(DatasetSpec(path=root, image_size=16), SplitSpec(group_column="patient"))


def test_a_written_split_is_read_back(make_folder: MakeFolder, tmp_path: Path) -> None:
    spec = DatasetSpec(path=make_folder(10), image_size=16)
    manifest = prepare(spec, SplitSpec(seed=4))
    path = tmp_path / "split.csv"
    write_split(manifest, path)
    assert read_split(path) == dict(zip(manifest.names, manifest.splits, strict=True))
    again = prepare(spec, SplitSpec(file=path))
    assert again.split_hash == manifest.split_hash
    assert again.split_method == "file"
    path.write_text(path.read_text().replace("célula/003", "célula/333"), encoding="utf-8")
    with pytest.raises(DataError, match=r"not in the data set, such as 'célula/333.png'"):
        prepare(spec, SplitSpec(file=path))
    with pytest.raises(RunError):
        write_split(manifest, tmp_path / "none" / "split.csv")


def test_a_split_file_that_would_never_end_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for endless in (pipe, Path("/dev/zero")):
        with pytest.raises(DataError, match="a pipe or device"):
            read_split(endless)
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(DataError, match=r"2,048 MiB, and a split file has 512 MiB at most"):
        read_split(tmp_path / "large.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_split(tmp_path)
    with pytest.raises(DataError, match="there is no such split file"):
        read_split(tmp_path / "none.csv")


def test_thumbnails_outlive_the_data(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(10)
    spec = DatasetSpec(path=root, image_size=16)
    manifest = prepare(spec)
    path = tmp_path / "thumbnails.parquet"
    make_thumbnails(manifest, spec, path, side=20)
    shutil.rmtree(root)
    jpegs = read_thumbnails(path)
    tested = [manifest.names[row] for row in manifest.rows("test")]
    assert list(jpegs) == tested
    labels = pq.read_table(path)["label"].to_pylist()
    assert labels == [name.partition("/")[0] for name in tested]
    assert decode(jpegs[tested[0]], "x").shape == (20, 20, 3)
    path.write_bytes(b"x")
    with pytest.raises(RunError, match="is damaged"):
        read_thumbnails(path)


def test_images_that_are_gone_are_reported(make_folder: MakeFolder) -> None:
    root = make_folder(6)
    spec = DatasetSpec(path=root, image_size=16)
    manifest = prepare(spec)
    (root / "célula" / "000.png").write_bytes(b"broken")
    with pytest.raises(DataError, match="could be read before"):
        pixels(manifest, spec, 20)
    (root / "célula" / "000.png").unlink()
    with pytest.raises(DataError, match="1 images of this run are gone"):
        pixels(manifest, spec, 20)
    assert pixels(manifest, spec, 16).is_file()  # which holds them all, and needs no file


def test_synthetic_data_say_so() -> None:
    spec = DatasetSpec(count=64, image_size=24, classes=4)
    manifest = prepare(spec)
    assert manifest.synthetic
    assert len(manifest.classes) == 4
    assert manifest.card.synthetic
    assert manifest.warnings == [Notice.of("synthetic_images")]
    assert np.asarray(load_pixels(pixels(manifest, spec, 24))).std() > 5
    assert json.loads(manifest.to_json())["source"] == "synthetic"


def test_files_that_are_ignored_are_reported(make_folder: MakeFolder) -> None:
    root = make_folder()
    (root / "blue cell" / "notes.txt").write_text("x")
    warnings = prepare(DatasetSpec(path=root, image_size=16)).warnings
    reason = Notice.of("suffix_unknown")
    assert warnings == [Notice.of("ignored_files", count=1, name="blue cell/notes.txt", reason=reason)]


def test_a_class_whose_name_is_not_a_string_is_reported(make_folder: MakeFolder) -> None:
    root = make_folder()
    (root / "blue cell").rename(os.fsdecode(os.fsencode(str(root)) + b"/cl\xe9"))
    with pytest.raises(DataError, match=r"cl.*udce9.* has no image .*its name is not valid UTF-8"):
        prepare(DatasetSpec(path=root, image_size=16))


def test_a_group_column_needs_a_value_in_every_line(make_folder: MakeFolder) -> None:
    root = make_folder(4, ("a", "b"))
    lines = [f"{kind}/{row:03d}.png,{kind},{'' if row == 2 else row}" for kind in "ab" for row in range(4)]
    (root / "list.csv").write_text("\n".join(["path,label,patient", *lines]))
    with pytest.raises(DataError, match="every line needs a value"):
        prepare(DatasetSpec(path=root / "list.csv", image_size=16), SplitSpec(group_column="patient"))


def test_another_decoder_has_a_pixel_cache_of_its_own(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = DatasetSpec(path=make_folder(), image_size=16)
    manifest = prepare(spec, cache_dir=tmp_path)
    ours = pixels_path(manifest, spec, 16, tmp_path)
    assert ours.exists()
    monkeypatch.setattr("PIL.__version__", "0.0.1")
    assert prepare(spec, cache_dir=tmp_path).fingerprint == manifest.fingerprint
    assert pixels_path(manifest, spec, 16, tmp_path) != ours
