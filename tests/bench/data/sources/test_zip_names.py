"""What entries of zips are called: plain paths, folders by any slash, and the encoding that the zip states or not."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from bench.data.sources import open_source
from bench.errors import DataError
from bench.study.dataset import DatasetSpec


def _entry(name: str, extra: bytes = b"") -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.extra = extra
    return info


def _zip(path: Path, names: list[str], extras: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(_entry(name, (extras or {}).get(name, b"")), name.encode().hex())
    return path


def _renamed(path: Path, new: dict[bytes, bytes]) -> Path:
    """Put other bytes of the same length into the names, without the flag that says UTF-8."""
    data = path.read_bytes()
    for old, other in new.items():
        assert len(old) == len(other)
        data = data.replace(old, other)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("form", ["./{}", "set//{}", ".//set/./{}", "set/x/../{}", "set\\{}", "./set\\.\\{}"])
def test_names_are_made_plain_before_they_are_used(tmp_path: Path, form: str) -> None:
    inner = [f"{label}/{index}.png" for label in "ab" for index in range(3)]
    names = [form.format(name.replace("/", "\\") if "\\" in form else name) for name in inner]
    source = open_source(DatasetSpec(path=_zip(tmp_path / "set.zip", names)))
    assert [record.name for record in source.records] == inner
    assert [bytes.fromhex(source.read(name).decode()).decode() for name in inner] == names


@pytest.mark.parametrize("other", ["./a/0.png", "a//0.png", "a\\0.png", "b/../a/0.png", "a/./0.png"])
def test_two_entries_of_one_plain_name_are_refused(tmp_path: Path, other: str) -> None:
    path = _zip(tmp_path / "set.zip", ["a/0.png", "b/0.png", other])
    with pytest.raises(DataError, match=r"holds 'a/0.png' twice \(as 'a/0.png' and "):
        open_source(DatasetSpec(path=path))


@pytest.mark.parametrize("slash", ["/", "\\"])
def test_folders_by_either_slash_are_folders(tmp_path: Path, slash: str) -> None:
    names = [*(f"set{slash}{name}{slash}" for name in ("a", "b", "bare")), f"set{slash}a{slash}0.png"]
    source = open_source(DatasetSpec(path=_zip(tmp_path / "set.zip", [*names, f"set{slash}b{slash}0.png"])))
    assert source.empty == ("bare",)
    assert source.ignored == ()


@pytest.mark.parametrize("attributes", [0x10, 0o40755 << 16])
def test_a_folder_by_its_attributes_is_one(tmp_path: Path, attributes: int) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a", "b", "bare"):
            info = _entry(name)
            info.external_attr = attributes
            archive.writestr(info, b"")
        archive.writestr("a/0.png", b"x")
        archive.writestr("b/0.png", b"x")
    source = open_source(DatasetSpec(path=path))
    assert (source.empty, source.ignored) == (("bare",), ())


def _in_code_page(path: Path, encoding: str) -> Path:
    """Two classes named in Chinese or Russian; one of the Chinese names is valid UTF-8 by chance."""
    names = {"gbk": "猫狗", "cp866": "аб", "shift_jis": "猫犬", "utf-8": "猫狗"}[encoding]
    raw = {mark: name.encode(encoding) for mark, name in zip("@#", names, strict=True)}
    placed = [mark * len(encoded) for mark, encoded in raw.items()]
    _zip(path, [f"{mark}/{index}.png" for mark in placed for index in range(2)])
    return _renamed(path, {mark.encode() + b"/": raw[mark[0]] + b"/" for mark in placed})


@pytest.mark.parametrize("encoding", ["gbk", "cp866", "shift_jis"])
def test_names_of_another_code_page_are_warned_of_and_can_be_set(tmp_path: Path, encoding: str) -> None:
    path = _in_code_page(tmp_path / "set.zip", encoding)
    source = open_source(DatasetSpec(path=path))
    assert [(notice.code, notice.values["count"]) for notice in source.card.unknown] == [("zip_names_guessed", 4)]
    assert all(source.read(record.name) for record in source.records)
    told = open_source(DatasetSpec(path=path, zip_encoding=encoding))
    assert {record.label for record in told.records} == set(
        {"gbk": "猫狗", "cp866": "аб", "shift_jis": "猫犬"}[encoding]
    )
    assert told.card.unknown == ()
    assert all(told.read(record.name) for record in told.records)


def test_names_that_are_utf8_without_saying_so_are_read_as_such(tmp_path: Path) -> None:
    source = open_source(DatasetSpec(path=_in_code_page(tmp_path / "set.zip", "utf-8")))
    assert {record.label for record in source.records} == {"猫", "狗"}
    assert source.card.unknown == ()


def test_what_the_zip_states_of_a_name_comes_first(tmp_path: Path) -> None:
    field = b"\x01" + struct.pack("<L", zlib.crc32(b"@@/0.png")) + "狗/0.png".encode()
    extras = {"@@/0.png": struct.pack("<HH", 0x7075, len(field)) + field}
    path = _zip(tmp_path / "set.zip", ["@@/0.png", "ñ/0.png", "b/0.png"], extras)  # the second says UTF-8
    for encoding in (None, "cp1252"):
        source = open_source(DatasetSpec(path=path, zip_encoding=encoding))
        assert {record.label for record in source.records} == {"狗", "ñ", "b"}
    raw = "狗".encode("gbk")
    field = b"\x01" + struct.pack("<L", zlib.crc32(raw + b"/0.png")) + "狗/0.png".encode()
    extras = {"@@/0.png": struct.pack("<HH", 0x7075, len(field)) + field}
    path = _renamed(_zip(tmp_path / "two.zip", ["@@/0.png", "b/0.png"], extras), {b"@@/": raw + b"/"})
    source = open_source(DatasetSpec(path=path))
    assert {record.label for record in source.records} == {"狗", "b"}
    assert [source.read(record.name) for record in source.records] == [
        b"b/0.png".hex().encode(),
        b"@@/0.png".hex().encode(),
    ]


def test_a_setting_that_does_not_fit_the_names_is_refused(tmp_path: Path) -> None:
    path = _in_code_page(tmp_path / "set.zip", "gbk")
    with pytest.raises(DataError, match="zip_encoding 'ascii'"):
        open_source(DatasetSpec(path=path, zip_encoding="ascii"))
    for name in ("klingon", "rot13", "utf-16", "a\0b"):
        with pytest.raises(ValueError, match="is no encoding of names"):
            DatasetSpec(path=path, zip_encoding=name)


def test_a_name_that_is_marked_as_utf8_and_is_not_is_refused(tmp_path: Path) -> None:
    path = _renamed(_zip(tmp_path / "set.zip", ["ñ/0.png", "b/0.png"]), {"ñ".encode(): b"\xff\xfe"})
    with pytest.raises(DataError, match="marked as UTF-8 and is not"):
        open_source(DatasetSpec(path=path))
