"""Which folder is the class: what is understood, what is refused, and the same for a folder and for a zip of it."""

from __future__ import annotations

import shutil
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.sources import open_source
from bench.data.sources.base import Source
from bench.data.sources.listing import list_images
from bench.errors import DataError
from bench.results.dataset import FoundLayout
from bench.study.dataset import DatasetSpec
from bench.study.layout import Layout

AB = ("a", "b")
PATIENTS = tuple(f"patient_{number:02d}" for number in range(1, 5))


def crossed(*levels: str | tuple[str, ...]) -> list[str]:
    """``crossed(("train", "test"), ("a", "b"))`` -> train/a, train/b, test/a, test/b."""
    paths = [""]
    for level in levels:
        paths = [f"{path}/{name}" for path in paths for name in ([level] if isinstance(level, str) else level)]
    return [path.lstrip("/") for path in paths]


@dataclass(frozen=True)
class Tree:
    """Folders that hold two images each, and what is to be made of them."""

    folders: list[str]
    seen: str
    """The pattern that is found, or a part of the refusal."""
    classes: tuple[str, ...] = ()
    """Where it is understood."""
    layout: str | None = None
    """The setting."""
    splits: tuple[str | None, ...] = (None,)
    groups: int = 0
    ignored: tuple[str, ...] = ()
    """Folders whose images are left out."""
    files: tuple[str, ...] = ()
    """Further files, which are no images."""
    bare: tuple[str, ...] = field(default=())
    """Further folders, with nothing in them."""


OFFICIAL = ("train", "validation", "test")
KAGGLE = [*crossed("seg_train/seg_train", AB), *crossed("seg_test/seg_test", AB), "seg_pred/seg_pred"]
LITTER = (
    *("@eaDir", "a/@eaDir", "#recycle/a", "$RECYCLE.BIN/S-1", "System Volume Information", "lost+found"),
    *(".ipynb_checkpoints", ".Trash-1000/files", "~snapshot/a"),
)

UNDERSTOOD = {
    "class folders": Tree(["a", "b"], "{class}/*", AB),
    "class folders far down": Tree(crossed("x/y", AB), "{class}/*", AB),
    "official split": Tree(crossed(("train", "val", "test"), AB), "{split}/{class}/*", AB, splits=OFFICIAL),
    "official split by other words": Tree(
        crossed(("Training", "VALID", "testing"), AB), "{split}/{class}/*", AB, splits=OFFICIAL
    ),
    "train and val only": Tree(crossed(("train", "val"), AB), "{split}/{class}/*", AB, splits=("train", "validation")),
    "train only": Tree(crossed("train", AB), "{class}/*", AB),
    "images of each class in images": Tree(crossed(AB, "images"), "{class}/images/*", AB),
    "images of each split in images": Tree(
        crossed(("train", "test"), "images", AB), "{split}/images/{class}/*", AB, splits=("train", "test")
    ),
    "digits": Tree(["0", "1", "2"], "{class}/*", ("0", "1", "2")),
    "beside labels that are text": Tree(crossed("images", AB), "{class}/*", AB, files=("labels/a/0.txt",)),
    "litter of systems": Tree(
        ["a", "b", "__MACOSX/a", *LITTER],
        "{class}/*",
        AB,
        ignored=LITTER,
        bare=("@eaDir/empty", "#recycle/c"),
    ),
    "a class called train, by setting": Tree(["a", "train"], "{class}/*", ("a", "train"), layout="{class}/*"),
    "groups below classes": Tree(
        crossed(AB, PATIENTS), "{class}/{group}/*", AB, layout="{class}/{group}/*", groups=len(PATIENTS)
    ),
    "classes below groups": Tree(
        crossed(PATIENTS, AB), "{group}/{class}/*", AB, layout="{group}/{class}/*", groups=len(PATIENTS)
    ),
    "a trait below classes": Tree(crossed(AB, ("in", "out")), "{class}/*/*", AB, layout="{class}/*/*"),
    "classes below a trait": Tree(crossed(AB, ("in", "out")), "*/{class}/*", ("in", "out"), layout="*/{class}/*"),
    "split, class and group": Tree(
        [*crossed("train", AB, ("1", "2")), *crossed("test", AB, "3")],
        "{split}/{class}/{group}/*",
        AB,
        layout="{split}/{class}/{group}/*",
        splits=("train", "test"),
        groups=3,
    ),
    "Kaggle's doubled splits": Tree(
        KAGGLE,
        "{split}/*/{class}/*",
        AB,
        layout="{split}/*/{class}/*",
        splits=("train", "test"),
        ignored=("seg_pred/seg_pred",),
    ),
    "splits within classes": Tree(
        crossed(AB, ("train", "test")), "{class}/{split}/*", AB, layout="{class}/{split}/*", splits=("train", "test")
    ),
    "one literal folder": Tree(
        crossed(AB, ("images", "masks")),
        "{class}/images/*",
        AB,
        layout="{class}/images/*",
        ignored=("a/masks", "b/masks"),
    ),
    "any depth": Tree(["a", "b", "a/more", "a/more/still"], "{class}/**", AB, layout="{class}/**"),
    "the rest left out": Tree(["a", "b", "a/more"], "{class}/*", AB, layout="{class}/*", ignored=("a/more",)),
    "counted from above": Tree(crossed("set", AB), "set/{class}/*", AB, layout="set/{class}/*"),
    "the train part alone": Tree(
        [*crossed("train", AB), "test"], "train/{class}/*", AB, layout="train/{class}/*", ignored=("test",)
    ),
    "outputs beside the splits left out": Tree(
        [*crossed(("train", "val", "test"), AB), "runs/plots/train"],
        "{split}/{class}/*",
        AB,
        layout="{split}/{class}/*",
        splits=OFFICIAL,
        ignored=("runs/plots/train",),
    ),
}

REFUSED = {
    "loose test images": Tree(
        [*crossed("train", AB), "test"],
        r"images in 'test' lie in no class folder.*'train/\{class\}/\*' for .* 'a', 'b'",
    ),
    "splits without classes": Tree(["train", "val"], "would become the classes.*CSV"),
    "object detection": Tree(
        crossed("images", ("train", "val")), "CSV.*object detection", files=("labels/train/0.txt",)
    ),
    "patients below classes": Tree(
        crossed(("benign", "malignant"), PATIENTS),
        r"2 folders deep.*'\{class\}/\{group\}/\*' for the classes 'benign', 'malignant'.*\{group\} in place",
    ),
    "patients of their own below classes": Tree(
        [*crossed("benign", PATIENTS[:2]), *crossed("malignant", PATIENTS[2:])],
        r"2 folders deep.*'\{class\}/\{group\}/\*'",
    ),
    "patients as classes": Tree(list(PATIENTS), "named like groups"),
    "patients below splits": Tree([*crossed("train", PATIENTS[:3]), "test/patient_04"], "named like groups"),
    "a class with a folder of more": Tree(
        ["cats", "dogs", "cats/extra"],
        r"different depths.*'cats', 'cats/extra'.*'\{class\}/\*\*' for the classes 'cats'",
    ),
    "traits below classes": Tree(
        crossed(("cats", "dogs"), ("indoor", "outdoor")),
        r"'indoor' is there more than once.*'\{class\}/\*/\*' for .*'cats', 'dogs'.*'\*/\{class\}/\*' for .*'indoor'",
    ),
    "Kaggle's doubled splits, unset": Tree(
        KAGGLE, r"different depths.*'\{split\}/\*/\{class\}/\*' for the classes 'a'"
    ),
    "outputs beside the splits": Tree(
        [*crossed(("train", "val", "test"), AB), "runs/plots/train"],
        r"images lie in 'runs' too, beside the split folders",
    ),
    "outputs beside the splits, as deep": Tree(
        [*crossed(("train", "test"), AB), "runs/train"], r"images lie in 'runs' too, beside the split folders"
    ),
    "a class called train": Tree(
        ["car", "train"], r"'train' would become a class, and is the name of a split.*'\{class\}/\*'"
    ),
    "a split within a class": Tree(
        crossed(AB, ("train", "test")), r"2 folders deep.*'\{class\}/\{split\}/\*' for .*'a', 'b'"
    ),
    "splits twice": Tree(["train/train", "test/test"], "is the name of a split"),
    "splits by longer names": Tree(
        crossed(("training_set", "test_set"), AB), r"2 folders deep.*'\{split\}/\{class\}/\*' for the classes 'a', 'b'"
    ),
    "parts without labels": Tree(["train_images", "test_images"], "named like splits"),
    "test images of an unknown class": Tree(
        [*crossed("train", AB), "test/unknown"], r"no class folder in common.*'train/\{class\}/\*'"
    ),
    "two folders for a split": Tree(crossed(("train", "val", "valid"), AB), "'val', 'valid' both name the validation"),
    "an empty split": Tree(crossed("train", AB), "the folder 'test' holds no images", bare=("test",)),
    "a split that holds other files": Tree(
        crossed(("train", "test"), AB), "the folder 'val' holds no images", files=("val/a/0.heic",), bare=("val",)
    ),
    "images and masks": Tree(["images", "masks"], "'images', 'masks' would become a class"),
    "images and masks of classes": Tree(crossed(AB, ("images", "masks")), r"2 folders deep.*'\{class\}/\*/\*'"),
    "images alone": Tree(["images"], "'images' would become a class"),
    "outputs beside the classes": Tree(["a", "b", "predictions"], "'predictions' would become a class"),
    "folds": Tree(crossed(("fold1", "fold2"), AB), "2 folders deep"),
    "a wrong setting": Tree(
        ["a", "b"], r"no image lies as .*'\{split\}/\{class\}/\*' says.*'a/\*'", layout="{split}/{class}/*"
    ),
}


def _write(root: Path, tree: Tree) -> Path:
    for folder in tree.folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(2):
            (root / folder / f"{index}.png").write_bytes(b"x")
    for file in tree.files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")
    for folder in tree.bare:
        (root / folder).mkdir(parents=True, exist_ok=True)
    return root


def _zip(root: Path) -> Path:
    return Path(shutil.make_archive(str(root), "zip", root))


@pytest.fixture(params=["folder", "zip"])
def open_tree(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Tree], Source]:
    """Write a tree and open it, as a folder or as a zip."""

    def opened(tree: Tree) -> Source:
        root = _write(tmp_path / "set", tree)
        return open_source(DatasetSpec(path=root if request.param == "folder" else _zip(root), layout=tree.layout))

    return opened


@pytest.mark.parametrize("tree", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_what_the_folders_say_is_understood(open_tree: Callable[[Tree], Source], tree: Tree) -> None:
    source = open_tree(tree)
    layout = source.card.layout
    assert layout is not None
    assert (layout.pattern, layout.given) == (tree.seen, tree.layout is not None)
    assert {record.label for record in source.records} == set(tree.classes)
    assert {record.split for record in source.records} == set(tree.splits)
    assert len({record.group for record in source.records} - {None}) == tree.groups
    ignored = {name for name, _ in source.ignored if name.endswith(".png")}
    assert ignored == {f"{folder}/{index}.png" for folder in tree.ignored for index in range(2)}
    litter = sum(folder.startswith("__MACOSX") for folder in tree.folders)
    assert len(source.records) == 2 * (len(tree.folders) - len(tree.ignored) - litter)
    assert source.empty == ()


@pytest.mark.parametrize("tree", REFUSED.values(), ids=REFUSED)
def test_what_could_be_read_in_several_ways_is_refused(open_tree: Callable[[Tree], Source], tree: Tree) -> None:
    with pytest.raises(DataError, match=tree.seen) as refused:
        open_tree(tree)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["patients below classes", "traits below classes", "outputs beside the splits"])
def test_each_setting_that_a_refusal_offers_is_one(tmp_path: Path, name: str) -> None:
    root = _write(tmp_path / "set", REFUSED[name])
    with pytest.raises(DataError) as refused:
        open_source(DatasetSpec(path=root))
    offered = [word for word in str(refused.value).split("'") if "{class}" in word]
    for pattern in offered:
        layout = open_source(DatasetSpec(path=root, layout=pattern)).card.layout
        assert layout == FoundLayout(pattern=pattern, given=True)
    assert offered


@pytest.mark.parametrize("above", ["", "x/y/"])
def test_a_class_folder_without_images_is_reported(open_tree: Callable[[Tree], Source], above: str) -> None:
    folders = [above + folder for folder in crossed(("train", "test"), AB)]
    bare = tuple(f"{above}train/{name}" for name in ("empty", ".hidden", "@eaDir"))
    assert open_tree(Tree(folders, "", bare=bare)).empty == ("empty",)


def test_images_beside_the_class_folders_are_listed(open_tree: Callable[[Tree], Source]) -> None:
    source = open_tree(Tree(["a", "b"], "", files=("loose.png",)))
    assert [(name, notice.code) for name, notice in source.ignored] == [("loose.png", "outside_class_folders")]


@pytest.mark.parametrize("above", ["", "set/"])
def test_many_images_beside_the_class_folders_are_refused(open_tree: Callable[[Tree], Source], above: str) -> None:
    folders = crossed(("train", "test"), AB)
    loose = tuple(f"{above}{number}.png" for number in range(5))
    with pytest.raises(DataError, match=r"different depths: 5 of 13 lie in no class folder") as refused:
        open_tree(Tree([above + folder for folder in folders], "", files=loose))
    assert "'{split}/{class}/*' for the classes 'a', 'b'" in str(refused.value)
    source = open_tree(Tree([], "", layout="{split}/{class}/*"))
    assert len(source.records) == 8
    assert len(source.ignored) == 5


def test_a_picture_beside_the_folder_of_all_classes_is_listed(open_tree: Callable[[Tree], Source]) -> None:
    source = open_tree(Tree(crossed("set", AB), "", files=("readme.png",)))
    assert source.card.layout == FoundLayout(pattern="set/{class}/*")
    assert source.records[0].name == "set/a/0.png"
    assert len(source.ignored) == 1


def test_classes_that_differ_in_case_between_splits_say_so(open_tree: Callable[[Tree], Source]) -> None:
    with pytest.raises(DataError, match=r"'Cat' and 'cat' differ only in capitals"):
        open_tree(Tree(["train/Cat", "train/Dog", "test/cat", "test/dog"], ""))


def test_the_advice_holds_however_many_images_lie_loose(open_tree: Callable[[Tree], Source]) -> None:
    loose = tuple(f"test/{number}.png" for number in range(9))
    with pytest.raises(DataError, match=r"in quotes: 'train/\{class\}/\*' for the classes 'a', 'b'\."):
        open_tree(Tree(crossed("train", AB), "", files=loose))


def test_a_setting_names_what_it_leaves_out(open_tree: Callable[[Tree], Source]) -> None:
    source = open_tree(Tree(["a", "b", "a/more"], "", layout="{class}/*"))
    assert {notice.code for _, notice in source.ignored} == {"outside_layout"}


def test_names_and_so_cell_ids_do_not_depend_on_the_setting(tmp_path: Path) -> None:
    root = _write(tmp_path / "set", Tree(crossed("set", ("train", "test"), AB), ""))
    found = open_source(DatasetSpec(path=root))
    for layout in ("{split}/{class}/*", "set/{split}/{class}/*"):
        assert open_source(DatasetSpec(path=root, layout=layout)).records == found.records
    assert found.records[0].name == "test/a/0.png"


def test_images_that_lie_in_no_class_folder_say_what_to_do(open_tree: Callable[[Tree], Source]) -> None:
    with pytest.raises(DataError, match=r"class folders; put them into one folder a class, or list them .* CSV"):
        open_tree(Tree([], "", files=("x.png", "y.png")))


def test_a_folder_of_photos_that_are_not_read_says_what_to_do(open_tree: Callable[[Tree], Source]) -> None:
    with pytest.raises(DataError, match=r"no images found.*HEIC is not read: convert it"):
        open_tree(Tree([], "", files=("a/x.HEIC", "b/y.heic")))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{class}", "must end with the images"),
        ("{split}/*", r"\{class\} exactly once"),
        ("{class}/{class}/*", r"\{class\} exactly once"),
        ("{group}/{group}/{class}/*", r"\{group\} at most once"),
        ("{label}/*", r"'\{label\}' is no level"),
        ("seg_*/{class}/*", "'seg_.' is no level"),
        ("{class}/**/*", "is no level"),
        ("../{class}/*", "is no level"),
        ("{class}//*", "'' is no level"),
        ("*/" * 40 + "{class}/*", "41 levels; 32 at most"),
        ("", "must end with the images"),
    ],
)
def test_a_pattern_that_is_none_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Layout.parse(pattern)
    with pytest.raises(ValueError, match=message):
        DatasetSpec(path=Path("x"), layout=pattern)


def test_a_pattern_is_for_folders_and_zips() -> None:
    with pytest.raises(ValueError, match="layout: only folders and zips"):
        DatasetSpec(path=Path("x.csv"), layout="{class}/*")


NAMES = (
    st.text("abcdefgh é", min_size=1, max_size=6)
    .map(str.strip)
    .filter(lambda name: name not in ("", "a b") and name == unicodedata.normalize("NFC", name))
)
ROLE_LEVELS = st.permutations(["{split}", "{class}", "{group}", "*", "fixed"]).flatmap(
    lambda levels: st.integers(0, 4).map(lambda cut: levels[cut:] if "{class}" in levels[cut:] else levels)
)


@given(ROLE_LEVELS, st.sets(NAMES, min_size=2, max_size=4), st.booleans())
def test_a_tree_made_by_a_pattern_is_understood_by_it(levels: list[str], names: set[str], deep: bool) -> None:
    """What each level was drawn as comes back, whatever the others are."""
    words = {"{split}": ["train", "test"], "{class}": sorted(names), "{group}": ["g1", "g2"], "*": ["x", "y"]}
    folders = crossed(*(tuple(words.get(level, [level])) for level in levels))
    pattern = "/".join([*levels, "**" if deep else "*"])
    paths = [f"{folder}/{'deeper/' if deep else ''}0.png" for folder in folders]
    listing = list_images(paths, "set", (), pattern)
    assert listing.layout.pattern == pattern
    assert listing.ignored == []
    for path, record in listing.images:
        of = dict(zip(levels, path.split("/"), strict=False))
        assert (record.label, record.split, record.group) == (of["{class}"], of.get("{split}"), of.get("{group}"))


@given(st.sets(NAMES, min_size=2, max_size=5), st.sets(st.sampled_from(["train", "val", "test"]), max_size=3))
def test_what_is_found_is_what_a_setting_says(names: set[str], splits: set[str]) -> None:
    folders = crossed(tuple(sorted(splits)), tuple(sorted(names))) if splits else sorted(names)
    paths = [f"{folder}/0.png" for folder in folders]
    found = list_images(paths, "set")
    assert list_images(paths, "set", (), found.layout.pattern).images == found.images
    assert Counter(record.label for _, record in found.images) == dict.fromkeys(names, max(1, len(splits)))


def test_a_zip_without_entries_for_folders_is_understood_alike(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for folder in crossed(("train", "test"), AB):
            archive.writestr(f"{folder}/0.png", b"x")
    layout = open_source(DatasetSpec(path=path)).card.layout
    assert layout == FoundLayout(pattern="{split}/{class}/*")
