"""The features of a frozen backbone: one pass over the images, in the fastest form that the device has."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import RunError
from bench.results.files import reserve
from bench.training.inputs.batches import PixelBatches, make_batches

__all__ = ["HalfPrecisionBackbone", "allocate_features", "extract"]

_LARGE = 2**30
"""Bytes of features beyond which they are kept in a file."""


class HalfPrecisionBackbone(nn.Module):
    """A frozen backbone whose weights and activations are half as wide; its features come out as float32."""

    def __init__(self, backbone: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner = backbone.to(dtype)
        self.dtype = dtype

    def forward(self, images: Tensor) -> Tensor:
        """Images (b, 3, side, side) float32 to features (b, width) float32."""
        features: Tensor = self.inner(images.to(self.dtype))
        return features.float()


def allocate_features(
    shape: tuple[int, ...], device: torch.device, file: Path, large: int = _LARGE
) -> tuple[Tensor, str]:
    """Return an empty float32 tensor of a shape and where it lies: ``memory``, or ``file`` when it is large.

    The file has no name any more when this returns: it goes away with the process, however that ends. Its room is
    taken at once; RunError where the disk has none.
    """
    size = math.prod(shape)
    if size * 4 <= large:
        return torch.empty(shape, device=device), "memory"
    try:
        with file.open("wb") as out:
            reserve(out.fileno(), size * 4)
        tensor = torch.from_file(str(file), shared=True, size=size, dtype=torch.float32).view(shape)
    except OSError as error:
        raise RunError(
            f"{file}: no room for the features of the images, {size * 4 / 2**20:,.0f} MiB ({error.strerror or error}); "
            "free some, give a run folder on another disk (--out), or use fewer train.views"
        ) from error
    finally:
        file.unlink(missing_ok=True)
    return tensor, "file"


def extract(backbone: nn.Module, batches: PixelBatches, batch_size: int, epoch: int | None, out: Tensor) -> None:
    """Fill ``out``, (n, width), with the features of all images in order; epoch: as `PixelBatches` takes it."""
    backbone.eval()
    done = 0
    with torch.inference_mode():
        for images, _ in batches(make_batches(np.arange(len(batches.labels)), batch_size, training=False), epoch):
            out[done : done + len(images)] = backbone(images)
            done += len(images)
