"""What is known of a model before a single tensor exists: its name, where it comes from, the sizes it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models_zoo.errors import ModelZooError

__all__ = ["Family", "Library", "ModelSpec"]

Family = Literal["vit", "swin", "hybrid", "cnn", "other"]
Library = Literal["timm", "torchvision", "python"]


@dataclass(frozen=True)
class ModelSpec:
    """One model, as data; nothing here needs torch.

    Raises:
        ModelZooError: by ``check_image_size``, for a size that the model cannot take.
    """

    name: str
    """The name in studies and tables, such as ``vit_small_p32`` or ``timm:resnet18``."""
    family: Family
    """``vit`` (plain transformers), ``swin`` (windowed ones), ``hybrid`` (CNN stem), ``cnn`` or ``other``."""
    library: Library
    """What builds it: timm, torchvision, or a function named by its import path."""
    library_name: str
    """Its name there; for ``python`` the import path ``package.module:function``."""
    patch: int | None = None
    """Width and height of a patch in pixels, for models that cut the image into patches."""
    image_size: int = 224
    """Width and height in pixels of the square input that the model was published for."""
    image_multiple: int = 1
    """Width and height must be a multiple of this many pixels."""
    min_image_size: int = 32
    """The smallest width and height in pixels."""
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What the library's constructor gets beside the name, such as ``patch_size``."""
    default_weights: str | None = None
    """What ``weights: default`` loads, where it is known without asking the library; None for no such weights."""
    description: str = ""
    """One line for the table of models, with the paper."""
    counts: tuple[int, int] | None = None
    """Parameters with a head for 1000 classes, and multiply-adds at ``image_size``; None where nobody counted them."""

    def allows(self, image_size: int) -> bool:
        """Whether a square image of ``image_size`` pixels a side goes in."""
        return image_size >= self.min_image_size and image_size % self.image_multiple == 0

    def nearest_sizes(self, image_size: int) -> tuple[int, ...]:
        """Return the one or two sizes nearest to ``image_size`` that the model takes, in rising order."""
        step = self.image_multiple
        smallest = -(-self.min_image_size // step) * step
        below = max(image_size // step * step, smallest)
        above = max(-(-image_size // step) * step, smallest)
        return tuple(sorted({below, above}))

    def check_image_size(self, image_size: int) -> None:
        """Refuse a size that the model cannot take, and name the nearest ones that it can."""
        if self.allows(image_size):
            return
        sizes = " or ".join(str(size) for size in self.nearest_sizes(image_size))
        if image_size < self.min_image_size:
            why = f"it needs at least {self.min_image_size} pixels"
        elif self.patch == self.image_multiple:
            why = f"its patches of {self.patch} pixels do not divide it"
        else:
            why = f"it takes multiples of {self.image_multiple} pixels"
        raise ModelZooError(
            f"model {self.name!r} cannot take images of {image_size} x {image_size}: {why}. Set image_size to {sizes}."
        )
