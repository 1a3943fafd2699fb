"""Formats that are not read are known by name and by content, and say what to do in every language."""

from __future__ import annotations

import pytest

from bench.data.decode import ImageError, decode
from bench.data.foreign_formats import CURES, by_content, by_suffix
from reports.text.messages import word

BOX = b"\x00\x00\x00\x18ftyp"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (BOX + b"heic\x00\x00\x00\x00mif1", "HEIC"),
        (BOX + b"avif\x00\x00\x00\x00", "AVIF"),
        (BOX + b"crx \x00\x00\x00\x00", "camera RAW"),
        (BOX + b"isom\x00\x00\x00\x00", "video"),
        (bytes(128) + b"DICM" + bytes(20), "DICOM"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>404", "a web page or message"),
        (b'{"message": "Not Found"}', "a web page or message"),
        (b'<?xml version="1.0"?><svg>', "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "an archive"),
    ],
)
def test_a_file_of_another_format_says_what_it_is_and_what_to_do(data: bytes, name: str) -> None:
    with pytest.raises(ImageError, match=f"a.jpg: {name} is not read: ") as refused:
        decode(data, "a.jpg")
    assert f"a.jpg: {word(refused.value.notice)}" == str(refused.value)


def test_what_is_no_format_has_no_cure() -> None:
    assert by_content(b"x") is None
    assert by_content(b"") is None
    assert by_suffix("a.txt") is None
    assert by_suffix("a") is None


@pytest.mark.parametrize(
    "suffix", [".heic", ".HEIF", ".avif", ".dng", ".NEF", ".cr3", ".dcm", ".nii.gz", ".svs", ".mp4"]
)
def test_names_promise_formats(suffix: str) -> None:
    found = by_suffix(f"folder.x/a{suffix}")
    assert found is not None
    assert word(found.notice) == found.reason
    assert found.cure in CURES
