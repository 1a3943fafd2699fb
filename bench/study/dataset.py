"""A study's data: where the images are, and how they are split.

Nothing heavier than pydantic is imported here, so that a study can be read without the weight of an image library.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from bench.errors import StudyError
from bench.registry import registry
from bench.study.layout import Layout

__all__ = ["DatasetSpec", "DuplicatePolicy", "SplitMethod", "SplitSpec"]

SplitMethod = Literal["auto", "stratified", "grouped", "kfold", "file", "official"]

LARGEST_SIDE = 4096


_ONLY_FOR = {
    "labels": "a csv source takes a list of labels",
    "layout": "folders and zips (folder, zip, pbc) have a layout",
    "zip_encoding": "a zip (zip, pbc) has names in an encoding",
}


def _is_stored(info: ValidationInfo) -> bool:
    """Whether a run stored this: it was checked then, and the package of its source may be gone since."""
    return bool(info.context and info.context.get("stored"))


def _known_source(name: str, info: ValidationInfo) -> str:
    if _is_stored(info):
        return name
    try:
        return registry("sources").check(name)
    except StudyError as error:
        raise ValueError(str(error)) from error


def _readable_layout(pattern: str) -> str:
    return str(Layout.parse(pattern))


def _text_encoding(name: str) -> str:
    try:
        if b"a".decode(name) == "a":
            return name
    except (LookupError, ValueError):
        pass
    raise ValueError(f"{name!r} is no encoding of names that Python knows; for example cp866, gbk, shift_jis, cp1252")


class _Frozen(BaseModel):
    """Fixed once made; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DuplicatePolicy(_Frozen):
    """What happens to images that are in the set more than once. The defaults leak nothing."""

    exact: Literal["keep_one", "same_side", "ignore"] = "keep_one"
    """Images with the same pixels and the same label: keep the first by name, keep all of them in one
    split, or do nothing."""
    conflicting: Literal["drop", "keep"] = "drop"
    """Images with the same pixels and different labels: drop them all (no one knows which label is right),
    or keep them (they then fall under ``exact: same_side``, whatever ``exact`` is)."""
    near: Literal["same_side", "report"] = "same_side"
    """Images whose perceptual hashes nearly agree: keep them in one split, or just report."""
    near_threshold: int = Field(default=4, ge=0, le=16)
    """Two images are near duplicates when their 64-bit perceptual hashes differ in at most this many bits."""


class DatasetSpec(_Frozen):
    """Where the images and their labels come from."""

    source: Annotated[str, AfterValidator(_known_source)] | None = None
    """The kind of source, one that ``patchbench list sources`` shows. Left out, it is guessed: from ``path`` (a folder,
    .zip, .csv or .npz), else from ``name`` (a MedMNIST set); with neither of them it is ``synthetic``."""
    path: Path | None = None
    """The folder, zip, CSV or .npz file. Not needed for ``synthetic`` and for sets fetched by name."""
    name: str | None = None
    """The name of a MedMNIST ("bloodmnist"), Hugging Face ("owner/set") or torchvision ("CIFAR10") set."""
    classes: int | None = Field(default=None, ge=2)
    """For ``pbc``: 8 (the folders, the default) or 13 (the prefixes of the file names). For ``synthetic``:
    how many of the eight kinds to draw. For any other source: how many classes there must be."""
    limit: int | None = Field(default=None, ge=1)
    """Use at most this many images."""
    limit_by: Literal["balanced", "proportional"] = "balanced"
    """Take the same number from every class, or keep the proportions of the classes."""
    image_size: int = Field(default=224, ge=8, le=LARGEST_SIDE)
    """The width and height in pixels that a model is given, unless the model has a size of its own."""
    resize: Literal["squash", "crop"] = "squash"
    """Resize without regard to the shape of the image, or resize the shorter side and cut the middle out."""
    seed: int = Field(default=0, ge=0)
    """The seed of the subset that ``limit`` takes, and of the synthetic drawings."""
    count: int = Field(default=480, ge=1, le=10_000_000)
    """For ``synthetic``: how many images to draw."""
    difficulty: float = Field(default=0.5, ge=0.0, le=1.0)
    """For ``synthetic``: 0 is easy, 1 is hard."""
    path_column: str = "path"
    """For ``csv``: the column with the path of the image, relative to the CSV's folder."""
    label_column: str = "label"
    """For ``csv``: the column with the label."""
    split_column: str | None = None
    """For ``csv``: the column with ``train``, ``validation`` or ``test``, where the file fixes the split."""
    labels: list[str] | None = None
    """For ``csv``: the labels that are allowed, when others are a mistake."""
    layout: Annotated[str, AfterValidator(_readable_layout)] | None = None
    """For folders and zips: which folder on the way to an image is what, such as ``{split}/{class}/{group}/*``: a role,
    ``*`` or a folder's name for each level, and ``*`` or ``**`` (at any depth below) for the images. Left out, it is
    found where there is one way only to read the folders (docs/data.md)."""
    zip_encoding: Annotated[str, AfterValidator(_text_encoding)] | None = None
    """For zips: the encoding of names that the zip marks as none and that are not UTF-8, such as ``gbk``."""
    duplicates: DuplicatePolicy = DuplicatePolicy()
    """What happens to duplicates."""

    @property
    def kind(self) -> str:
        """The kind of source, guessed where the study does not say."""
        if self.source is not None:
            return self.source
        if self.path is None:
            return "synthetic" if self.name is None else "medmnist"
        suffix, known = self.path.suffix.lower(), registry("sources")
        if not suffix:
            return "folder"
        return next((name for name in known if suffix in known.load(name).suffixes), "folder")

    @model_validator(mode="after")
    def _belongs_together(self, info: ValidationInfo) -> Self:
        if _is_stored(info):
            return self
        kind = registry("sources").load(self.kind)
        for key, who in _ONLY_FOR.items():
            if getattr(self, key) is not None and key not in kind.takes:
                raise ValueError(f"{key}: only {who}, and this one is {self.kind}")
        if self.labels is not None and len(set(self.labels)) < 2:
            raise ValueError("labels: name at least two different labels")
        kind.check(self)
        return self


class SplitSpec(_Frozen):
    """How the images are divided into train, validation and test: the same for every model."""

    test: float = Field(default=0.2, gt=0.0, lt=1.0)
    """The fraction of the whole set that is held out for the test."""
    validation: float = Field(default=0.1, gt=0.0, lt=1.0)
    """The fraction of the whole set (not of what remains beside the test) that picks the best epoch."""
    seed: int = Field(default=0, ge=0)
    """The seed of the shuffle."""
    method: SplitMethod = "auto"
    """How to split. ``auto``: ``file`` when a file is given, ``kfold`` when folds are given, ``grouped`` when
    a group is given, ``official`` when the source brings its own split, else ``stratified``."""
    folds: int | None = Field(default=None, ge=2, le=100)
    """For ``kfold``: into how many parts the set is cut; one of them is the test, ``test`` is not used."""
    fold: int = Field(default=0, ge=0)
    """For ``kfold``: which part is the test, counted from 0."""
    file: Path | None = None
    """For ``file``: a CSV with the columns ``name`` and ``split`` (train, validation or test)."""
    group: str | None = None
    """For ``grouped`` and ``kfold``: a regular expression searched in the image's name; what its first
    parenthesis holds (without one: the whole match) is the group. A group is never divided."""
    group_column: str | None = None
    """For ``grouped`` and ``kfold``: the column of the data set's CSV that holds the group."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.test + self.validation >= 1:
            raise ValueError(
                f"test and validation: {self.test} + {self.validation} leave nothing to train on; their sum "
                "must be below 1"
            )
        if self.group is not None and self.group_column is not None:
            raise ValueError("group and group_column: give one of them, not both")
        if self.group is not None:
            try:
                re.compile(self.group)
            except re.error as error:
                raise ValueError(f"group: {self.group!r} is not a regular expression: {error}") from error
        self._check_method()
        return self

    def _check_method(self) -> None:
        if self.method == "file" and self.file is None:
            raise ValueError("file: method 'file' needs the path of a CSV with the columns name and split")
        if self.method not in ("file", "auto") and self.file is not None:
            raise ValueError(f"file: only method 'file' reads one, and the method is {self.method!r}")
        if self.method == "kfold" and self.folds is None:
            raise ValueError("folds: method 'kfold' needs the number of folds, 2 or more")
        if self.method not in ("kfold", "auto") and self.folds is not None:
            raise ValueError(f"folds: only method 'kfold' uses them, and the method is {self.method!r}")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold: there are {self.folds} folds, numbered 0 to {self.folds - 1}, not {self.fold}")
        if self.method == "grouped" and self.group is None and self.group_column is None:
            raise ValueError(
                "group: method 'grouped' needs group (a regular expression) or group_column; for a {group} in "
                "dataset.layout leave method out"
            )
        grouping = self.group is not None or self.group_column is not None
        if grouping and self.method not in ("auto", "grouped", "kfold"):
            raise ValueError(f"group: method {self.method!r} does not use groups; use 'grouped' or 'kfold'")

    @property
    def wanted(self) -> SplitMethod:
        """The method that the given fields ask for; ``auto`` only where the source decides."""
        if self.method != "auto":
            return self.method
        if self.file is not None:
            return "file"
        if self.folds is not None:
            return "kfold"
        if self.group is not None or self.group_column is not None:
            return "grouped"
        return "auto"
