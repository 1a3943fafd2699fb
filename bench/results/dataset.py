"""What is known of a prepared data set; a run keeps it as ``dataset.json``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from bench.results.migrate import upgrade_dataset
from bench.results.notice import Notice
from bench.results.read import parse_json
from bench.results.stored import SCHEMA_VERSION, Amount, Count, Stored, storable

__all__ = [
    "LISTED_PAIRS",
    "AuditFindings",
    "DataCard",
    "DatasetManifest",
    "Dropped",
    "DuplicateGroup",
    "FoundLayout",
    "NearPair",
    "Split",
]

LISTED_PAIRS: Final = 1000
"""Pairs that are listed one by one; all are counted."""

Split = Literal["train", "validation", "test"]


class Dropped(Stored):
    """An image that was left out, or a file that was not taken for one."""

    name: str
    """The image."""
    notice: Notice
    """Why."""


class DuplicateGroup(Stored):
    """Images with exactly the same pixels."""

    names: tuple[str, ...]
    """The images, ordered by name; two or more."""
    labels: tuple[str, ...]
    """The label of each."""
    same_bytes: bool
    """Whether the files are the same to the last byte, and not only their pixels."""

    @model_validator(mode="after")
    def _a_label_each(self) -> Self:
        if len(self.names) != len(self.labels):
            raise ValueError("names and labels have different lengths")
        return self

    @property
    def conflicting(self) -> bool:
        """Whether the images carry different labels."""
        return len(set(self.labels)) > 1

    def examples(self, count: int) -> list[tuple[str, str]]:
        """Return name and label of ``count`` of the images at most, each label once before any comes again."""
        members = list(zip(self.names, self.labels, strict=True))
        if len(members) <= count:
            return members
        seen: Counter[str] = Counter()
        turn = []
        for _, label in members:
            turn.append(seen[label])
            seen[label] += 1
        return [members[place] for place in sorted(range(len(members)), key=turn.__getitem__)][:count]


class NearPair(Stored):
    """Two images that look alike: different pixels, nearly the same perceptual hash."""

    first: str
    """One image."""
    second: str
    """The other."""
    first_label: str
    """The label of the one."""
    second_label: str
    """The label of the other."""
    distance: Count
    """In how many of 64 bits their perceptual hashes differ."""


class AuditFindings(Stored):
    """What the audit found in the whole source, before anything was left out."""

    images: Count
    """Files that were taken for images."""
    readable: Count
    """Those that decode."""
    unreadable: tuple[Dropped, ...] = ()
    """Those that do not, and images without a label, with the reason."""
    ignored: tuple[Dropped, ...] = ()
    """Files that were not taken for images, with the reason."""
    exact: tuple[DuplicateGroup, ...] = ()
    """Images with the same pixels."""
    near: tuple[NearPair, ...] = ()
    """Pairs that look alike, the closest first."""
    near_pairs: Count = 0
    """How many such pairs there are; more than ``near`` lists when there are very many."""
    near_threshold: Count = 0
    """The largest distance that counts as near."""
    sizes: dict[str, Count] = Field(default_factory=dict)
    """How many images have each ``width x height``, the most common first."""
    modes: dict[str, Count] = Field(default_factory=dict)
    """How many images have each color mode, the most common first."""
    conversions: tuple[Notice, ...] = ()
    """What was done to images on the way to 8-bit RGB, with how many of them: transparency, orientation, depth ..."""
    sample_bits: Literal[8, 10, 12, 14, 16] | None = None
    """Bits that the set uses of the 16 a channel that some of its images have: 8, 10, 12, 14 or 16, the least that hold
    the highest value of all. They are scaled alike. None where there are no such images."""
    odd: tuple[Dropped, ...] = ()
    """Images whose size or mode is not the most common (a hundred of them at most), with what is odd."""
    odd_images: Count = 0
    """How many such images there are."""
    class_counts: dict[str, Count] = Field(default_factory=dict)
    """Readable images of each class."""
    imbalance: Amount | None = None
    """Images of the largest class for each one of the smallest."""
    would_leak: tuple[tuple[str, str], ...] = ()
    """Pairs (exact or near) that a plain random stratified split would have put into different splits; a thousand of
    them at most."""
    would_leak_pairs: Count = 0
    """How many such pairs there are."""

    @property
    def exact_pairs(self) -> int:
        """How many pairs of images have the same pixels."""
        return sum(len(group.names) * (len(group.names) - 1) // 2 for group in self.exact)

    @property
    def conflicting(self) -> tuple[DuplicateGroup, ...]:
        """The groups of identical images that carry different labels."""
        return tuple(group for group in self.exact if group.conflicting)


class DatasetManifest(Stored):
    """The images that a study uses, in the order of the pixel cache's rows, and how they were chosen."""

    schema_version: int = SCHEMA_VERSION
    """Version of the layout."""
    fingerprint: str
    """SHA-256 over the classes and over name, label and file content of every image that is used; also over the rules
    of reading that not every image needs, such as the bits that a set of 16-bit images uses."""
    split_hash: str
    """SHA-256 over name and split of every image that is used."""
    split_method: str
    """How the split was made."""
    source: str
    """The kind of source."""
    synthetic: bool
    """Whether the images are synthetic."""
    classes: list[str]
    """The names of the classes; a label is an index into this list."""
    names: list[str]
    """The images that are used; row i of the pixel cache is ``names[i]``."""
    labels: list[int]
    """The label of each."""
    splits: list[Split]
    """The split of each."""
    contents: list[str] = Field(default_factory=list)
    """The first 16 hexadecimal digits of the SHA-256 of each one's file; empty in older runs."""
    counts: dict[str, dict[str, Count]]
    """Images by class and split."""
    audit: AuditFindings
    """What the audit of the source found."""
    dropped: list[Dropped]
    """What was left out, and why; not what ``limit`` left."""
    leaks: list[tuple[str, str]]
    """Pairs that look alike and lie in different splits, where the policy or a given split allows it; a thousand of
    them at most."""
    leak_pairs: Count = 0
    """How many such pairs there are."""
    card: DataCard
    """Source, license, citation, and what is not known."""
    warnings: list[Notice]
    """What a reader of the results has to know."""
    limited_from: Count | None = None
    """How many images there were before ``limit`` took its part."""
    seconds: Amount
    """Seconds that the preparation took."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not len(self.names) == len(self.labels) == len(self.splits):
            raise ValueError("names, labels and splits have different lengths")
        if self.contents and len(self.contents) != len(self.names):
            raise ValueError("names and contents have different lengths")
        if self.labels and not 0 <= min(self.labels) <= max(self.labels) < len(self.classes):
            raise ValueError("a label has no class")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a class is named twice")
        if strange := self.counts.keys() - set(self.classes):
            raise ValueError(f"counts: {min(strange)!r} is not among the classes")
        return self

    def rows(self, split: Split) -> list[int]:
        """Return the rows of the images in ``split``, in order."""
        return [row for row, own in enumerate(self.splits) if own == split]

    def to_json(self) -> str:
        """Return the manifest as JSON text."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, where: Path | str = "dataset.json") -> DatasetManifest:
        """Read what `to_json` wrote, now or in an older version; `RunError` names ``where`` and the field."""
        return parse_json(text, where, cls, upgrade_dataset, advice="Run the study again in a new folder.")


class FoundLayout(Stored):
    """Which folder of a data set is the split, the class and the group of an image."""

    pattern: str
    """A level for each folder on the way to an image: ``{split}/{class}/*``; see ``dataset.layout``."""
    given: bool = False
    """Whether the study gives it; else it was found in the folders."""
    inside: str = ""
    """The folders, below the data set's path, that the pattern begins in; empty where it is that path itself."""


class DataCard(Stored):
    """Where a data set comes from, and what is not known of it."""

    name: str
    """What to call it."""
    source: str
    """The kind of source: folder, zip, pbc, ..."""
    path: str | None = None
    """The file or folder that was read, as it was given."""
    license: str | None = None
    """The license, where it is known."""
    citation: str | None = None
    """Whom to cite."""
    url: str | None = None
    """Where it can be found."""
    synthetic: bool = False
    """Whether the images are made by a program and not photographed."""
    unknown: tuple[Notice, ...] = ()
    """What is not known of the set and would matter."""
    layout: FoundLayout | None = None
    """How its images lie in folders; None where they do not, and in runs of before."""

    @field_validator("name", "path", mode="before")
    @classmethod
    def _storable(cls, value: object) -> object:
        return storable(value) if isinstance(value, str) else value
