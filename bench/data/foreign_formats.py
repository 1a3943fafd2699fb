"""Files that hold images, or stand in for them, in a format that is not read: how to know them, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from bench.results.notice import Notice

__all__ = ["CURES", "ForeignFormat", "by_content", "by_suffix"]


@dataclass(frozen=True, slots=True)
class Cure:
    """What to do about a file that is not read."""

    text: str
    """For an error message."""
    notice: Notice
    """The same for the record of the run."""


CURES = {
    "convert_photo": Cure(
        "convert it to PNG or JPEG, for example with ImageMagick: magick mogrify -format png FILES",
        Notice.of("convert_photo"),
    ),
    "convert_raw": Cure(
        "develop it to 8-bit PNG or TIFF, for example with darktable-cli or rawpy", Notice.of("convert_raw")
    ),
    "convert_dicom": Cure(
        "export it as PNG with the right window, for example with dcm2pnm or pydicom", Notice.of("convert_dicom")
    ),
    "convert_volume": Cure("export its slices as PNG, for example with nibabel or ITK", Notice.of("convert_volume")),
    "extract_frames": Cure("take its frames out as PNG, for example with ffmpeg", Notice.of("extract_frames")),
    "unpack_first": Cure("unpack it first", Notice.of("unpack_first")),
    "fetch_lfs": Cure("fetch the file itself with git lfs pull", Notice.of("fetch_lfs")),
    "download_again": Cure(
        "download the image again; a page or an error message was saved in its place", Notice.of("download_again")
    ),
}


@dataclass(frozen=True, slots=True)
class ForeignFormat:
    """A format by its name, and the key of what to do about it."""

    name: str
    cure: str

    @property
    def reason(self) -> str:
        """Why the file is not read and what to do, for an error message."""
        return f"{self.name} is not read: {CURES[self.cure].text}"

    @property
    def notice(self) -> Notice:
        """The same for the record of the run."""
        return Notice.of("foreign_format", format=self.name, cure=CURES[self.cure].notice)


_SUFFIXES = {
    "convert_photo": {
        "HEIC": ".heic .heif .hif",
        "AVIF": ".avif",
        "JPEG XL": ".jxl",
        "JPEG 2000": ".jp2 .j2k .jpx .jpf",
        "JPEG XR": ".jxr .wdp",
        "Photoshop": ".psd .psb",
        "OpenEXR": ".exr",
        "SVG": ".svg",
        "PDF": ".pdf",
        "TGA": ".tga",
    },
    "convert_raw": {
        "camera RAW": ".arw .cr2 .cr3 .crw .dng .erf .kdc .mrw .nef .nrw .orf .pef .raf .raw .rw2 .sr2 .srf .srw .x3f"
    },
    "convert_dicom": {"DICOM": ".dcm .dicom .ima"},
    "convert_volume": {
        "NIfTI": ".nii",
        "whole-slide image": ".svs .ndpi .mrxs .scn .czi .lif",
        "NRRD": ".nrrd .mha .mhd",
    },
    "extract_frames": {"video": ".avi .m4v .mkv .mov .mp4 .mpg .webm .wmv"},
}

_BY_SUFFIX = {
    suffix: ForeignFormat(name, cure)
    for cure, formats in _SUFFIXES.items()
    for name, suffixes in formats.items()
    for suffix in suffixes.split()
}

_BRANDS = {
    **dict.fromkeys(("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"), ("HEIC", "convert_photo")),
    **dict.fromkeys(("avif", "avis"), ("AVIF", "convert_photo")),
    "crx ": ("camera RAW", "convert_raw"),
}
"""What files of ISO media boxes call themselves; others are videos."""

_MAGIC = (
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL", "convert_photo"),
    (b"\xff\x0a", "JPEG XL", "convert_photo"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000", "convert_photo"),
    (b"\xff\x4f\xff\x51", "JPEG 2000", "convert_photo"),
    (b"II\xbc", "JPEG XR", "convert_photo"),
    (b"8BPS", "Photoshop", "convert_photo"),
    (b"\x76\x2f\x31\x01", "OpenEXR", "convert_photo"),
    (b"%PDF", "PDF", "convert_photo"),
    (b"%!PS", "PostScript", "convert_photo"),
    (b"FUJIFILMCCD-RAW", "camera RAW", "convert_raw"),
    (b"IIU\x00", "camera RAW", "convert_raw"),
    (b"IIRO", "camera RAW", "convert_raw"),
    (b"IIRS", "camera RAW", "convert_raw"),
    (b"FOVb", "camera RAW", "convert_raw"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "camera RAW", "convert_raw"),
    (b"\x1a\x45\xdf\xa3", "video", "extract_frames"),
    (b"\x00\x00\x01\xba", "video", "extract_frames"),
    (b"PK\x03\x04", "an archive", "unpack_first"),
    (b"\x1f\x8b", "an archive", "unpack_first"),
    (b"7z\xbc\xaf\x27\x1c", "an archive", "unpack_first"),
    (b"Rar!", "an archive", "unpack_first"),
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer", "fetch_lfs"),
)


def by_suffix(name: str) -> ForeignFormat | None:
    """Return the format that a file's name promises, where it is one that is known and not read."""
    path = PurePosixPath(name.lower())
    suffix = ".nii" if path.name.endswith(".nii.gz") else path.suffix
    return _BY_SUFFIX.get(suffix)


def by_content(data: bytes) -> ForeignFormat | None:
    """Return the format that a file's first bytes show, where it is one that is known and not read."""
    for magic, name, cure in _MAGIC:
        if data.startswith(magic):
            return ForeignFormat(name, cure)
    if data[128:132] == b"DICM":
        return ForeignFormat("DICOM", "convert_dicom")
    if data[4:8] == b"ftyp":
        return ForeignFormat(*_BRANDS.get(data[8:12].decode("latin-1"), ("video", "extract_frames")))
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return ForeignFormat("video", "extract_frames")
    return _text(data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower())


def _text(start: bytes) -> ForeignFormat | None:
    if b"<svg" in start:
        return ForeignFormat("SVG", "convert_photo")
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"{")):
        return ForeignFormat("a web page or message", "download_again")
    return None
