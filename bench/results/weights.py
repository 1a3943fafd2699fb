"""Where a model's weights came from and what was done to them before the first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from bench.results.notice import Notice, verbatim
from bench.results.stored import Stored

__all__ = ["Resampling", "WeightsProvenance"]


class Resampling(Stored):
    """Weights brought to another size."""

    before: int
    """Side in the file: pixels of a patch, or patches of the grid of positions."""
    after: int
    """Side in the model, in the same unit."""
    method: str
    """How: ``pseudo-inverse resize``, ``interpolation``."""


class WeightsProvenance(Stored):
    """Provenance of a model's weights; None: it does not apply to these weights."""

    model: str | None = None
    """The model's name as ``patchbench models`` lists it."""
    library: str | None = None
    """The library and its name for the model: ``timm resnet18``."""
    weights: str | None = None
    """``none`` (random), ``default``, ``hub`` or ``file``."""
    seed: int | None = None
    """The seed of the random weights."""
    pooling: str | None = None
    """What of a block's tokens became features: ``default``, ``cls``, ``mean`` or ``cls+mean``."""
    feature_blocks: int | None = None
    """How many of the last blocks feed the head."""
    normalization: str | None = None
    """Whose mean and standard deviation the images were normalized with: ``timm resnet18``."""
    source: str | None = None
    """Where pretrained weights were found: a file's name, ``hub:OWNER/NAME`` or an address."""
    file: str | None = None
    """The name of their file."""
    sha256: str | None = None
    """SHA-256 of that file, hexadecimal."""
    dtype_lifted_from: tuple[str, ...] = ()
    """Number formats of the file that were converted to float32."""
    patch_resampled: Resampling | None = None
    """Patch projection, in pixels; None: it fitted."""
    position_grid: Resampling | None = None
    """Grid of position embeddings, in patches; None: it fitted."""
    architecture_followed: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """What of the architecture was set as the file asks for: options of the library's constructor."""
    ignored_keys: tuple[str, ...] = ()
    """Tensors of the file that were not used: its classifier."""
    notices: tuple[Notice, ...] = ()
    """What a reader has to know of these weights."""

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> WeightsProvenance:
        """Return the plain provenance of a model that `models_zoo` has built, typed."""
        resampled = {
            key: Resampling(before=how["from"], after=how["to"], method=how["method"])
            for key in ("patch_resampled", "position_grid")
            if (how := provenance.get(key))
        }
        notices = tuple(verbatim(note) for note in provenance.get("notes") or ())
        return cls.model_validate({**provenance, **resampled, "notices": notices})
