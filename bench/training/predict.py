"""What a module predicts of images while it learns nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from bench.training.inputs.batches import Batches, make_batches
from bench.training.optim.optimizer import autocast

__all__ = ["predict"]


def predict(
    module: nn.Module, batches: Batches, order: np.ndarray, batch_size: int, device: torch.device, precision: str
) -> np.ndarray:
    """Return the logits of the positions in ``order``, (n, classes) float32, in evaluation mode."""
    module.eval()
    found: list[Tensor] = []
    with torch.inference_mode():
        for inputs, _ in batches(make_batches(order, batch_size, training=False)):
            with autocast(device, precision):
                found.append(module(inputs).float())
    return torch.cat(found).cpu().numpy()
