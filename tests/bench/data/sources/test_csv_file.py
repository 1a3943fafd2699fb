"""CSVs that programs wrote: accents in another encoding, labels that no person meant, formats that are not read."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from bench.data.sources import open_source
from bench.data.split.csv_file import read_split
from bench.errors import DataError
from bench.study.dataset import DatasetSpec


def _csv(folder: Path, *rows: str, header: str = "path,label") -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("0.png", "1.png", "2.png", "3.png", "x.heic", "y.NEF", "z.dcm"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("listed", ["NFC", "NFD"])
def test_accents_match_in_either_encoding(tmp_path: Path, on_disk: str, listed: str) -> None:
    name = "célula/niño.png"
    file = tmp_path / unicodedata.normalize(on_disk, name)  # type: ignore[arg-type]
    file.parent.mkdir()
    file.write_bytes(b"one")
    (tmp_path / "0.png").write_bytes(b"two")
    given = unicodedata.normalize(listed, name)  # type: ignore[arg-type]
    source = open_source(DatasetSpec(path=_csv(tmp_path, f"{given},a", "0.png,b")))
    assert [source.read(record.name) for record in source.records] == [b"two", b"one"]
    assert source.records[1].name == given


def test_one_file_listed_in_two_encodings_is_listed_twice(tmp_path: Path) -> None:
    (tmp_path / "é.png").write_bytes(b"x")
    with pytest.raises(DataError, match="listed before: line 3"):
        open_source(DatasetSpec(path=_csv(tmp_path, "é.png,a", "e\u0301.png,b")))


def test_a_name_that_fits_two_files_is_not_guessed(tmp_path: Path) -> None:
    folders = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    for folder in folders:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / unicodedata.normalize("NFC", "ñ.png")).write_bytes(folder.encode())
    listed = [
        f"{folder}/{unicodedata.normalize('NFD', 'ñ.png')},{label}" for folder, label in zip(folders, "ab", strict=True)
    ]
    source = open_source(DatasetSpec(path=_csv(tmp_path, *listed)))
    assert {source.read(record.name) for record in source.records} == {folder.encode() for folder in folders}


@pytest.mark.parametrize("labels", [("1", "1.0"), ("2", "02"), ("0", "-0"), ("1e3", "1000")])
def test_one_number_in_two_ways_is_refused(files: Path, labels: tuple[str, str]) -> None:
    path = _csv(files, f"0.png,{labels[0]}", f"1.png,{labels[1]}", "2.png,7")
    with pytest.raises(DataError, match=r"are the same number and would be different classes; .*dataset\.labels"):
        open_source(DatasetSpec(path=path))
    assert open_source(DatasetSpec(path=path, labels=[*labels, "7"]))


@pytest.mark.parametrize("label", ["nan", "NaN", "NA", "n/a", "#N/A", "null", "None", "<NA>", "?"])
def test_a_missing_value_is_no_class(files: Path, label: str) -> None:
    path = _csv(files, "0.png,a", f"1.png,{label}", "2.png,b")
    with pytest.raises(
        DataError, match=rf"1 lines have a label that stands for a missing value: line 3 \('{label}"[:80]
    ):
        open_source(DatasetSpec(path=path))
    assert open_source(DatasetSpec(path=path, labels=["a", "b", label]))


@pytest.mark.parametrize("names", [("1", "2"), ("1.0", "2.0"), ("inf", "nancy"), ("1_0", "10"), ("٣", "3")])
def test_labels_that_differ_stay(files: Path, names: tuple[str, str]) -> None:
    source = open_source(DatasetSpec(path=_csv(files, f"0.png,{names[0]}", f"1.png,{names[1]}")))
    assert {record.label for record in source.records} == set(names)


@pytest.mark.parametrize(("mark", "word"), [("\t", "tabs"), (";", "semicolons"), ("|", "bars")])
def test_other_separators_are_named(files: Path, mark: str, word: str) -> None:
    path = _csv(files, f"0.png{mark}a", header=f"path{mark}label")
    with pytest.raises(DataError, match=f"separates its columns with {word}; save it with commas"):
        open_source(DatasetSpec(path=path))
    split = _csv(files, f"0.png{mark}train", header=f"name{mark}split")
    with pytest.raises(DataError, match=f"separates its columns with {word}; save it with commas"):
        read_split(split)


@pytest.mark.parametrize(
    ("name", "cure"),
    [("x.heic", "HEIC is not read: convert"), ("y.NEF", "camera RAW .* develop"), ("z.dcm", "DICOM .*window")],
)
def test_formats_that_are_not_read_say_what_to_do(files: Path, name: str, cure: str) -> None:
    with pytest.raises(DataError, match=rf"format that is not read: line 3 \({name}\); {cure}".replace(" .*", ".*")):
        open_source(DatasetSpec(path=_csv(files, "0.png,a", f"{name},b")))


def test_a_sparse_csv_of_gigabytes_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(DataError, match="3,072 MiB, and a CSV has 512 MiB at most"):
        open_source(DatasetSpec(path=path))


@pytest.mark.parametrize("content", [bytes(5000), "path,label\n0.png,a\n".encode("utf-16")])
def test_a_csv_of_null_characters_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match="it holds null characters"):
        open_source(DatasetSpec(path=tmp_path / "list.csv"))
    with pytest.raises(DataError, match="it holds null characters"):
        read_split(tmp_path / "list.csv")
