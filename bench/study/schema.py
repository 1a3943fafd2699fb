"""A study: the grid of data set x models x regimes x devices x precisions x seeds, and how each cell is trained.

Fields are what a study file may hold; an unknown key is refused. `bench.study.load` reads the file, and
reports its mistakes by line and key.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bench.errors import StudyError
from bench.study.dataset import DatasetSpec, SplitSpec
from bench.study.measure import MeasureSpec
from bench.study.train import TrainSpec
from bench.study.units import Bytes, Seconds

__all__ = ["BUDGETS", "Budget", "Cell", "ModelEntry", "PublishedRow", "Study", "TrainSpec"]

Regime = Literal["scratch", "finetune", "frozen"]
Precision = Literal["fp32", "bf16", "fp16"]


def _known_device(name: str) -> str:
    if not re.fullmatch(r"cpu|mps|(cuda|xpu)(:\d{1,3})?", name):
        raise ValueError(
            f"unknown device {name[:40]!r}; choose from cpu, cuda, mps and xpu, and cuda:1 for one of several"
        )
    return name


Device = Annotated[str, AfterValidator(_known_device)]

_MOST_CELLS = 20_000
_CELL_VERSION = 2
"""Part of every cell's id: raised when the same specification would give another result."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True)


class ModelEntry(_Strict):
    """One model of a study; a plain name in the file stands for ``{name: ...}``."""

    name: str = Field(min_length=1)
    """A name from ``patchbench models``, ``timm:NAME``, ``torchvision:NAME`` or ``python:package.module:function``."""
    weights: str | None = None
    """``none`` (random), ``default`` (what the library downloads), ``hub:...`` or a file. Left out: ``default`` for
    finetune and frozen. The regime scratch starts from random weights whatever is given here."""
    image_size: Annotated[int, Field(ge=8, le=4096)] | None = None
    """Side of the input in pixels; left out: the data set's."""
    feature_blocks: int = Field(default=1, ge=1, le=48)
    """How many of the last blocks feed the head (Vision Transformers)."""
    pooling: Literal["default", "cls", "mean", "cls+mean"] | None = None
    """What of a block's tokens becomes features. ``default``: the model's own way; left out: ``cls+mean`` where several
    blocks feed the head, the model's own way elsewhere."""
    label: str | None = Field(default=None, min_length=1, max_length=80)
    """The model's name in every table; left out: its name."""

    @property
    def shown(self) -> str:
        """The name in tables."""
        return self.label or self.name


def _as_entry(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class Budget(_Strict):
    """What a cell may use; the limits are enforced from outside, on the child and its workers together."""

    time_limit: Seconds | None = None
    """Wall-clock time of one cell: seconds, or a string such as 6h, 90m, 1h30m."""
    memory_limit: Bytes | None = None
    """Memory of one cell's processes together: bytes, or a string such as 12.7GB or 3GiB."""


BUDGETS: Mapping[str, Budget] = {"colab-free": Budget.model_validate({"time_limit": "6h", "memory_limit": "12.7GB"})}
"""Budgets by name. ``colab-free``: a free hosted notebook as Borit Guitton et al. (2024) used it."""


def _as_budget(value: object) -> object:
    if isinstance(value, str):
        if value not in BUDGETS:
            raise ValueError(
                f"unknown budget {value!r}; choose from {', '.join(BUDGETS)}, or give time_limit and memory_limit"
            )
        return BUDGETS[value]
    return value


class PublishedRow(_Strict):
    """A result that others reported: shown beside the measured ones, never as one of them."""

    model: str
    """The model, as the source calls it."""
    source: str = Field(min_length=1)
    """Who reported it and where."""
    device: str | None = None
    """The device it ran on."""
    dataset: str | None = None
    """The data set."""
    images: int | None = Field(default=None, ge=1)
    """How many images it was tested on."""
    accuracy: float | None = Field(default=None, ge=0, le=1)
    """A fraction: 0.9684 for 96.84 %."""
    balanced_accuracy: float | None = Field(default=None, ge=0, le=1)
    """A fraction."""
    kappa: float | None = Field(default=None, ge=-1, le=1)
    """Cohen's kappa, -1 to 1."""
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Seconds of training."""
    status: str | None = None
    """``killed``, where it did not finish."""
    note: str | None = None
    """What a reader has to know of it."""
    confusion: list[list[int]] | None = None
    """Test images counted by (true class, predicted class)."""


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        twice = [str(value) for value, count in Counter(values).items() if count > 1]
        raise ValueError(f"names something twice: {', '.join(twice[:5])}")
    return values


class Study(_Strict):
    """A named grid. Only ``name`` and ``models`` have no default."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Its name, and the name of its run folder."""
    description: str = ""
    """What it is for, in a sentence or two."""
    dataset: DatasetSpec = Field(default_factory=DatasetSpec)
    """Where the images are."""
    split: SplitSpec = SplitSpec()
    """How they are divided."""
    models: tuple[Annotated[ModelEntry, BeforeValidator(_as_entry)], ...] = Field(min_length=1)
    """The models, each with a label of its own."""
    regimes: tuple[Regime, ...] = Field(default=("finetune",), min_length=1)
    """How they are trained."""
    devices: tuple[Device, ...] = Field(default=("cpu",), min_length=1)
    """Where they are trained: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, ``xpu``."""
    precisions: tuple[Precision, ...] = Field(default=("fp32",), min_length=1)
    """Number formats of the passes through a model."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(default=(0,), min_length=1)
    """Each seed is a further repetition."""
    train: TrainSpec = TrainSpec()
    """Settings of the training, the same for all cells."""
    measure: MeasureSpec = MeasureSpec()
    """What is measured beside training."""
    budget: Annotated[Budget, BeforeValidator(_as_budget)] = Budget()
    """``time_limit`` and ``memory_limit``, or the name of a budget: ``colab-free``."""
    prices: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    """Money per hour by device."""
    published: tuple[PublishedRow, ...] = ()
    """Results of others, shown beside the measured ones."""
    keep_models: bool = False
    """Keep the weights that were tested, as model.safetensors in the cell's folder."""

    @field_validator("regimes", "devices", "precisions", "seeds")
    @classmethod
    def _no_repeats(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return _unique(values)

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        shown = [entry.shown for entry in self.models]
        twice = sorted(name for name, count in Counter(shown).items() if count > 1)
        if twice:
            raise ValueError(
                f"models: {', '.join(twice[:5])} is listed more than once; give each its own label, e.g. "
                f"{{name: {twice[0]}, label: {twice[0]}-b}}"
            )
        return self

    def size_of(self, entry: ModelEntry) -> int:
        """Side of the input of a model in pixels."""
        return entry.image_size or self.dataset.image_size

    def cells(self, fingerprint: str, split_hash: str, weights: Mapping[str, str]) -> list[Cell]:
        """Return the grid's cells, model by model.

        fingerprint, split_hash: of the prepared data set. weights: SHA-256 of each weights file by its path.
        """
        axes = (self.models, self.regimes, self.devices, self.precisions, self.seeds)
        if (count := math.prod(map(len, axes))) > _MOST_CELLS:
            raise StudyError(f"the study has {count:,} cells, more than {_MOST_CELLS:,}. Divide it into several.")
        grid = itertools.product(*axes)
        cells = []
        for entry, regime, device, precision, seed in grid:
            source = "none" if regime == "scratch" else (entry.weights or "default")
            cells.append(
                Cell(
                    model=entry.model_copy(update={"weights": source, "image_size": self.size_of(entry)}),
                    regime=regime,
                    device=device,
                    precision=precision,
                    seed=seed,
                    train=self.train,
                    fingerprint=fingerprint,
                    split_hash=split_hash,
                    resize=self.dataset.resize,
                    weights_sha256=weights.get(source),
                    training=self.measure.training,
                )
            )
        _refuse_twins(cells)
        return cells


def _refuse_twins(cells: list[Cell]) -> None:
    """Refuse two labels for one cell: one result would be shown as two."""
    seen: dict[str, Cell] = {}
    for cell in cells:
        twin = seen.setdefault(cell.id, cell)
        if twin is not cell:
            raise StudyError(
                f"models: {twin.label} and {cell.label} are the same cell ({cell.title}): nothing that determines the "
                f"result differs. Remove one of them"
                + (", or the regime scratch, which knows no weights." if cell.regime == "scratch" else ".")
            )


class Cell(_Strict):
    """One point of the grid, with everything that determines its result."""

    model: ModelEntry
    """With weights and image_size filled in."""
    regime: Regime
    """How it is trained: ``scratch``, ``finetune`` or ``frozen``."""
    device: Device
    """The device as the study names it."""
    precision: Precision
    """Number format of the passes through the model."""
    seed: int
    """The seed of the weights, the order and the augmentation."""
    train: TrainSpec
    """How it is trained."""
    fingerprint: str
    """Of the data set."""
    split_hash: str
    """SHA-256 over name and split of every image."""
    resize: Literal["squash", "crop"] = "squash"
    """``squash`` ignores the shape of an image, ``crop`` cuts out the largest square in its middle."""
    weights_sha256: str | None = None
    """Of the weights file, where one is given."""
    training: bool = True
    """``false``: the model is only built and its inference measured."""

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of everything that determines the result.

        Labels are names, not causes; a weights file counts by its content, not by where it lies.
        """
        payload = self.model_dump(mode="json")
        payload["version"] = _CELL_VERSION
        payload["model"].pop("label")
        if self.training:
            payload.pop("training")  # part of an id only where nothing is trained: ids must not change
        if self.weights_sha256:
            payload["model"]["weights"] = "file"
        canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """The model's name in tables."""
        return self.model.shown

    @property
    def title(self) -> str:
        """One line that distinguishes this cell from the others."""
        return f"{self.label} · {self.regime} · {self.device} · {self.precision} · seed {self.seed}"


def is_file(weights: str | None) -> bool:
    """Whether a ``weights`` value names a file (and not ``none``, ``default`` or ``hub:...``)."""
    return weights is not None and weights not in ("none", "default") and not weights.startswith("hub:")


def absolute(path: Path, base: Path) -> Path:
    """Return ``path`` as an absolute path; a relative one is meant from ``base``."""
    if "\0" in str(path):
        raise StudyError(f"{str(path)!r}: a path cannot hold a null character. Check the path.")
    try:
        expanded = path.expanduser()
    except RuntimeError as error:
        raise StudyError(f"{str(path)!r}: there is no such user. Check the path.") from error
    return expanded if expanded.is_absolute() else (base / expanded).resolve()
