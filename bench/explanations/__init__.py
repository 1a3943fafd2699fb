"""Maps of what in an image a model's prediction rests on; none is shipped yet.

To add one, write a function of the form of `Explanation` and register it below, or in the entry-point group
``patchbench.explanations`` of a package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bench.registry import Registry

if TYPE_CHECKING:  # whoever lists the names needs no torch
    import torch

__all__ = ["EXPLANATIONS", "Explanation"]


class Explanation(Protocol):
    """Explains a model's scores of a batch of images."""

    def __call__(self, model: torch.nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return how much each pixel speaks for a class: float, ``(n, height, width)``, in any unit.

        Args:
            model: in evaluation mode, from normalized images to logits ``(n, C)``; to be left as it was.
            images: normalized, float, ``(n, 3, height, width)``.
            classes: the class of each image that is to be explained, int64 ``(n,)``.
        """


EXPLANATIONS: Registry[Explanation] = Registry("explanation", {}, group="patchbench.explanations")
