from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bench.data.decode import decode, resize
from bench.data.pixels.thumbnails import make_thumbnails
from bench.data.prepare import pixels, pixels_path, prepare
from bench.data.sources import open_source
from bench.data.sources.synthetic.traits import KINDS
from bench.data.split.csv_file import read_split, write_split
from bench.errors import DataError, RunError
from bench.results.dataset import DatasetManifest
from bench.results.notice import Notice
from bench.results.thumbnails import read_thumbnails
from bench.study.dataset import DatasetSpec, DuplicatePolicy, SplitSpec
from tests.bench.data.conftest import encoded

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
        rows = np.load(pixels(manifest, spec, size))
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
    jpegs = read_thumbnails(path, 100)
    tested = [manifest.names[row] for row in manifest.rows("test")]
    assert list(jpegs) == tested
    labels = pq.read_table(path)["label"].to_pylist()
    assert labels == [name.partition("/")[0] for name in tested]
    assert decode(jpegs[tested[0]], "x").shape == (20, 20, 3)
    path.write_bytes(b"x")
    with pytest.raises(RunError, match="is damaged"):
        read_thumbnails(path, 100)


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
    assert np.asarray(np.load(pixels(manifest, spec, 24))).std() > 5
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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1", r"bad/0\.jpg: HEIC is not read: convert it"),
        (b"", r"bad/0\.jpg: the file is empty"),
        (b"x", r"bad/0\.jpg: not an image"),
    ],
)
def test_a_class_that_is_refused_comes_with_the_reason(make_folder: MakeFolder, content: bytes, reason: str) -> None:
    root = make_folder()
    (root / "bad").mkdir()
    for index in range(3):
        (root / "bad" / f"{index}.jpg").write_bytes(content)
    with pytest.raises(DataError, match=f"the class 'bad' has no image that can be used; {reason}"):
        prepare(DatasetSpec(path=root, image_size=16))


def test_a_class_of_photos_that_are_not_read_comes_with_the_cure(make_folder: MakeFolder) -> None:
    root = make_folder()
    (root / "bad").mkdir()
    (root / "bad" / "0.heic").write_bytes(b"x")
    (root / "blue cell" / "notes.txt").write_bytes(b"x")
    with pytest.raises(DataError, match=r"'bad' has no image .*bad/0\.heic was not taken .*HEIC is not read: convert"):
        prepare(DatasetSpec(path=root, image_size=16))


@pytest.mark.parametrize("method", ["auto", "stratified", "kfold"])
def test_groups_of_a_layout_are_never_divided(tmp_path: Path, method: str) -> None:
    for label, kind in zip("ab", KINDS, strict=False):
        for patient in range(8):
            folder = tmp_path / "set" / label / f"patient {label}{patient}"
            folder.mkdir(parents=True)
            for index in range(3):
                (folder / f"{index}.png").write_bytes(encoded(100 * patient + index + 1000 * ord(label), kind))
    spec = DatasetSpec(path=tmp_path / "set", image_size=16, layout="{class}/{group}/*")
    manifest = prepare(spec, SplitSpec.model_validate({"method": method, "folds": 4 if method == "kfold" else None}))
    assert manifest.split_method == ("grouped" if method == "auto" else method)
    assert manifest.classes == ["a", "b"]
    held = {(name.split("/")[1], own) for name, own in zip(manifest.names, manifest.splits, strict=True)}
    assert len(held) == 16


def test_an_official_split_that_divides_a_group_is_refused(make_folder: MakeFolder) -> None:
    root = make_folder(2, ("train/a/1", "train/b/2", "val/a/3", "val/b/4", "test/a/5", "test/b/2"))
    spec = DatasetSpec(path=root, image_size=16, layout="{split}/{class}/{group}/*")
    with pytest.raises(DataError, match=r"divides the group '2': it has images for test and train\."):
        prepare(spec)


@pytest.mark.parametrize("folders", [("train", "val"), ("val", "test")])
def test_a_data_set_without_train_or_test_is_offered_a_split(make_folder: MakeFolder, folders: tuple[str, str]) -> None:
    root = make_folder(6, tuple(f"{own}/{label}" for own in folders for label in "ab"))
    spec = DatasetSpec(path=root, image_size=16)
    missing = "test" if "test" not in folders else "train"
    with pytest.raises(
        DataError, match=rf"none for {missing}\. Add them, or .* with split\.method=stratified"
    ) as refused:
        prepare(spec)
    assert "limit" not in str(refused.value)
    anew = prepare(spec, SplitSpec(method="stratified"))
    assert set(anew.splits) == {"train", "validation", "test"}


def _from_one_camera(root: Path, label: str, count: int) -> None:
    """Pictures that differ in what no perceptual hash sees."""
    base = np.random.default_rng(5).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    (root / label).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pixels = base.copy()
        pixels[index, index] ^= 3
        Image.fromarray(pixels).save(root / label / f"{index:03d}.png")


def test_near_duplicates_are_named_where_they_leave_a_class_too_small(make_folder: MakeFolder) -> None:
    root = make_folder(20)
    _from_one_camera(root, "fixed", 40)
    spec = DatasetSpec(path=root, image_size=16)
    with pytest.raises(
        DataError, match=r"'fixed' has 1 \(40 of its 40 images look alike \(near duplicates\)"
    ) as refused:
        prepare(spec)
    assert "set dataset.duplicates.near=report" in str(refused.value)
    assert "dataset.limit" not in str(refused.value)
    assert prepare(spec.model_copy(update={"duplicates": DuplicatePolicy(near="report")}))


def test_copies_are_named_where_they_leave_a_class_too_small(make_folder: MakeFolder) -> None:
    root = make_folder(8)
    (root / "copied").mkdir()
    for index in range(9):
        (root / "copied" / f"{index}.png").write_bytes(encoded(77, KINDS[3]))
    with pytest.raises(DataError, match=r"'copied' has 1 \(8 exact duplicates were left out\); add images or leave"):
        prepare(DatasetSpec(path=root, image_size=16))


def test_one_class_says_what_to_do(make_folder: MakeFolder) -> None:
    with pytest.raises(DataError, match=r"only the class 'a'.*Give the folder that holds the class folders"):
        prepare(DatasetSpec(path=make_folder(6, ("a",)), image_size=16))
