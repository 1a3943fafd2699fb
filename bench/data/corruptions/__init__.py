"""Ways to spoil test images, as bad light or a worn objective would; none is shipped yet.

To add one, write a function of the form of `Corruption` and register it below, or in the entry-point group
``patchbench.corruptions`` of a package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bench.registry import Registry

if TYPE_CHECKING:  # images are spoilt in the process that tests a model; whoever lists the names needs no torch
    import torch

__all__ = ["CORRUPTIONS", "Corruption"]


class Corruption(Protocol):
    """Spoils a batch of images."""

    def __call__(self, images: torch.Tensor, severity: int, generator: torch.Generator) -> torch.Tensor:
        """Return a new batch; the same generator state gives the same images.

        Args:
            images: RGB, uint8, ``(n, 3, height, width)``; not to be changed.
            severity: 0 (the images as they are) to 5.
            generator: the source of all that is random; on the device of ``images``.
        """


CORRUPTIONS: Registry[Corruption] = Registry("corruption", {}, group="patchbench.corruptions")
