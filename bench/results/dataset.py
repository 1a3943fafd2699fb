"""What is known of a prepared data set; a run keeps it as ``dataset.json``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.errors import DataError

__all__ = [
    "LISTED_PAIRS",
    "SCHEMA_VERSION",
    "AuditFindings",
    "DataCard",
    "DatasetManifest",
    "Dropped",
    "DuplicateGroup",
    "NearPair",
    "Side",
    "storable",
]

SCHEMA_VERSION: Final = 1

LISTED_PAIRS: Final = 1000
"""Pairs that are listed one by one; all are counted."""

_NAMED = 5  # images of a group that a message names


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Dropped(_Stored):
    """An image that was left out."""

    name: str
    """The image."""
    reason: str
    """Why."""


class DuplicateGroup(_Stored):
    """Images with exactly the same pixels."""

    names: tuple[str, ...]
    """The images, ordered by name; two or more."""
    labels: tuple[str, ...]
    """The label of each."""
    same_bytes: bool
    """Whether the files are the same to the last byte, and not only their pixels."""

    @property
    def conflicting(self) -> bool:
        """Whether the images carry different labels."""
        return len(set(self.labels)) > 1

    def told(self, form: str = "{name}", between: str = ", ") -> str:
        """Return five of the images at most, each in ``form`` (with ``name`` and ``label``), and how many more."""
        members = list(zip(self.names, self.labels, strict=True))
        if len(members) > _NAMED:  # each label once, before any comes again
            seen: Counter[str] = Counter()
            turn = []
            for _, label in members:
                turn.append(seen[label])
                seen[label] += 1
            members = [members[place] for place in sorted(range(len(members)), key=turn.__getitem__)]
        shown = between.join(form.format(name=name, label=label) for name, label in members[:_NAMED])
        return shown + (f" and {len(members) - _NAMED:,} more" if len(members) > _NAMED else "")


class NearPair(_Stored):
    """Two images that look alike: different pixels, nearly the same perceptual hash."""

    first: str
    """One image."""
    second: str
    """The other."""
    first_label: str
    """The label of the one."""
    second_label: str
    """The label of the other."""
    distance: int
    """In how many of 64 bits their perceptual hashes differ."""


class AuditFindings(_Stored):
    """What the audit found in the whole source, before anything was left out."""

    images: int
    """Files that were taken for images."""
    readable: int
    """Those that decode."""
    unreadable: tuple[Dropped, ...] = ()
    """Those that do not, and images without a label, with the reason."""
    ignored: tuple[Dropped, ...] = ()
    """Files that were not taken for images, with the reason."""
    exact: tuple[DuplicateGroup, ...] = ()
    """Images with the same pixels."""
    near: tuple[NearPair, ...] = ()
    """Pairs that look alike, the closest first."""
    near_pairs: int = 0
    """How many such pairs there are; more than ``near`` lists when there are very many."""
    near_threshold: int = 0
    """The largest distance that counts as near."""
    sizes: dict[str, int] = Field(default_factory=dict)
    """How many images have each ``width x height``, the commonest first."""
    modes: dict[str, int] = Field(default_factory=dict)
    """How many images have each color mode, the commonest first."""
    odd: tuple[Dropped, ...] = ()
    """Images whose size or mode is not the commonest (a hundred of them at most), with what is odd."""
    odd_images: int = 0
    """How many such images there are."""
    class_counts: dict[str, int] = Field(default_factory=dict)
    """Readable images of each class."""
    imbalance: float | None = None
    """Images of the largest class for each one of the smallest."""
    would_leak: tuple[tuple[str, str], ...] = ()
    """Pairs (exact or near) that a plain random stratified split would have put on different sides; a thousand of
    them at most."""
    would_leak_pairs: int = 0
    """How many such pairs there are."""

    @property
    def exact_pairs(self) -> int:
        """How many pairs of images have the same pixels."""
        return sum(len(group.names) * (len(group.names) - 1) // 2 for group in self.exact)

    @property
    def conflicting(self) -> tuple[DuplicateGroup, ...]:
        """The groups of identical images that carry different labels."""
        return tuple(group for group in self.exact if group.conflicting)


class DatasetManifest(_Stored):
    """The images that a study uses, in the order of the pixel cache's rows, and how they were chosen."""

    schema_version: Literal[1] = SCHEMA_VERSION
    """The version of this layout."""
    fingerprint: str
    """SHA-256 over the classes and over name, label and file content of every image that is used."""
    split_hash: str
    """SHA-256 over name and side of every image that is used."""
    split_method: str
    """How the split was made."""
    source: str
    """The kind of source."""
    synthetic: bool
    """Whether the images are drawings."""
    classes: list[str]
    """The names of the classes; a label is an index into this list."""
    names: list[str]
    """The images that are used; row i of the pixel cache is ``names[i]``."""
    labels: list[int]
    """The label of each."""
    splits: list[Side]
    """The side of each."""
    counts: dict[str, dict[str, int]]
    """Images by class and side."""
    audit: AuditFindings
    """What the audit of the source found."""
    dropped: list[Dropped]
    """What was left out, and why; not what ``limit`` left."""
    leaks: list[tuple[str, str]]
    """Pairs that look alike and lie on different sides, where the policy or a given split allows it; a thousand of
    them at most."""
    leak_pairs: int = 0
    """How many such pairs there are."""
    card: DataCard
    """Source, license, citation, and what is not known."""
    warnings: list[str]
    """What a reader of the results has to know."""
    limited_from: int | None = None
    """How many images there were before ``limit`` took its part."""
    seconds: float
    """How long the preparation took."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not len(self.names) == len(self.labels) == len(self.splits):
            raise ValueError("names, labels and splits have different lengths")
        if self.labels and not 0 <= min(self.labels) <= max(self.labels) < len(self.classes):
            raise ValueError("a label has no class")
        return self

    def rows(self, side: Side) -> list[int]:
        """Return the rows of the images on ``side``, in order."""
        return [row for row, here in enumerate(self.splits) if here == side]

    def to_json(self) -> str:
        """Return the manifest as JSON text."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, where: Path | str = "dataset.json") -> DatasetManifest:
        """Read what :meth:`to_json` wrote.

        Raises:
            DataError: it is damaged, or of another version.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise DataError(
                f"{where}: not a data manifest of version {SCHEMA_VERSION} ({place}: {first['msg']}); it is damaged "
                "or was written by another version of patchbench. Run the study again in a new folder"
            ) from error


class DataCard(BaseModel):
    """Where a data set comes from, and what is not known of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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
    """Whether the images are drawn and not photographed."""
    unknown: tuple[str, ...] = ()
    """What is not known of the set and would matter."""

    @field_validator("name", "path", mode="before")
    @classmethod
    def _storable(cls, value: object) -> object:
        return storable(value) if isinstance(value, str) else value


Side = Literal["train", "validation", "test"]


def storable(name: str) -> str:
    """Return a file's name as text that JSON takes: bytes that are no UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()
