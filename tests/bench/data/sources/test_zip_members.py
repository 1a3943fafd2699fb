"""Members of zips that cannot be unpacked: those images are unreadable, each with its reason; the others are used."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.audit.findings import audit
from bench.data.sources import open_source
from bench.errors import DataError
from bench.study.dataset import DatasetSpec
from tests.bench.data.conftest import encoded

LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def _packed(path: Path, method: int) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for number, label in enumerate("ab"):
            for index in range(3):
                archive.writestr(f"{label}/{index}.png", encoded(10 * number + index))
    return path


def _member(data: bytearray) -> int:
    """Where the packed bytes of the first member begin."""
    length, extra = struct.unpack_from("<HH", data, 26)
    return 30 + int(length) + int(extra)


def _damage_bytes(data: bytearray) -> None:
    start = _member(data)
    data[start + 12 : start + 60] = b"\xff" * 48


def _damage_head(data: bytearray) -> None:
    start = _member(data)
    data[start : start + 12] = b"\xff" * 12


def _damage_name(data: bytearray) -> None:
    data[6:8] = struct.pack("<H", 0x800)
    data[30:32] = b"\xff\xfe"


def _lzma_properties(data: bytearray) -> None:
    start = _member(data)
    data[start + 4 : start + 9] = b"\xe1\xff\xff\xff\xff"


def _unknown_method(data: bytearray) -> None:
    data[8:10] = struct.pack("<H", 9)
    place = data.find(CENTRAL)
    data[place + 10 : place + 12] = struct.pack("<H", 9)


def _offset_past_the_end(data: bytearray) -> None:
    place = data.find(CENTRAL)
    data[place + 42 : place + 46] = struct.pack("<I", 2**31 - 1)


def _offset_past_any_file(data: bytearray) -> None:
    """An offset of 2^64 - 2 in the extra field of zip64."""
    place = data.find(CENTRAL)
    name = struct.unpack_from("<H", data, place + 28)[0]
    field = struct.pack("<HHQ", 1, 8, 2**64 - 2)
    data[place + 30 : place + 32] = struct.pack("<H", len(field))
    data[place + 42 : place + 46] = b"\xff\xff\xff\xff"
    data[place + 46 + name : place + 46 + name] = field
    end = data.rfind(b"PK\x05\x06")
    size = struct.unpack_from("<I", data, end + 12)[0]
    data[end + 12 : end + 16] = struct.pack("<I", size + len(field))


DAMAGES: list[tuple[int, Callable[[bytearray], None]]] = [
    (zipfile.ZIP_STORED, _damage_bytes),
    (zipfile.ZIP_STORED, _damage_name),
    (zipfile.ZIP_STORED, _offset_past_the_end),
    (zipfile.ZIP_STORED, _offset_past_any_file),
    (zipfile.ZIP_DEFLATED, _damage_head),
    (zipfile.ZIP_DEFLATED, _unknown_method),
    (zipfile.ZIP_BZIP2, _damage_head),
    (zipfile.ZIP_BZIP2, _damage_bytes),
    (zipfile.ZIP_LZMA, _damage_head),
    (zipfile.ZIP_LZMA, _damage_bytes),
    (zipfile.ZIP_LZMA, _lzma_properties),
]


@pytest.mark.parametrize(("method", "damage"), DAMAGES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_damaged_member_is_one_unreadable_image(
    tmp_path: Path, method: int, damage: Callable[[bytearray], None]
) -> None:
    path = _packed(tmp_path / "set.zip", method)
    data = bytearray(path.read_bytes())
    damage(data)
    path.write_bytes(data)
    findings = audit(DatasetSpec(path=path), cache_dir=tmp_path / "cache").findings
    assert (findings.images, findings.readable) == (6, 5)
    assert [dropped.name for dropped in findings.unreadable] == ["a/0.png"]


def test_an_unknown_method_says_what_to_do(tmp_path: Path) -> None:
    path = _packed(tmp_path / "set.zip", zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    _unknown_method(data)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a/0.png: compressed with deflate64, .* again with the method deflate"):
        open_source(DatasetSpec(path=path)).read("a/0.png")


@pytest.mark.parametrize("field", ["size", "offset"])
def test_a_directory_at_an_impossible_place_is_refused(tmp_path: Path, field: str) -> None:
    path = _packed(tmp_path / "set.zip", zipfile.ZIP_STORED)
    data = path.read_bytes()
    end = data.rfind(b"PK\x05\x06")
    huge = {"size": (2**63 + 5, 0), "offset": (46, 2**63 + 5)}[field]
    tail = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 6, 6, *huge)
    tail += struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    path.write_bytes(data[:end] + tail + data[end : end + 8] + b"\xff" * 12 + data[end + 20 :])
    with pytest.raises(DataError, match="no zip, or one that is cut short or damaged"):
        open_source(DatasetSpec(path=path))
