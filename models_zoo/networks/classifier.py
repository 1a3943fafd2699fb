"""A backbone that turns images into features, and a linear head on top: the shape of every model here."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models_zoo.errors import ModelZooError

__all__ = ["Classifier", "freeze_backbone", "replace_head", "seeded"]


class Classifier(nn.Module):
    """``head(backbone(images))``, so that the features of a frozen backbone can be computed once and kept.

    Attributes:
        backbone: images ``(B, 3, H, W)``, normalized float, to features ``(B, num_features)``.
        head: features to logits ``(B, num_classes)``.
        frozen: whether the backbone stands still, see ``freeze_backbone``.
    """

    def __init__(self, backbone: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.frozen = False

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(B, num_classes)`` of normalized images ``(B, 3, H, W)``."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def train(self, mode: bool = True) -> Classifier:
        """Switch to training; a frozen backbone stays in evaluation."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self


class seeded:  # noqa: N801 - read as a statement: with seeded(0)
    """Draw CPU random numbers from ``seed`` inside the block, and leave torch's own state as it was after it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __enter__(self) -> None:
        self._state = torch.default_generator.get_state()
        # Not torch.manual_seed: it would reseed the GPU's generators too, which nothing here restores.
        torch.default_generator.manual_seed(self._seed)

    def __exit__(self, *error: object) -> None:
        torch.default_generator.set_state(self._state)


def new_head(num_features: int, num_classes: int, seed: int, device: torch.device | str = "cpu") -> nn.Linear:
    """Return a linear layer with weights from a normal of deviation 0.02 cut at +-2, and no bias, as timm's ViT."""
    if num_classes < 1:
        raise ModelZooError(f"a head needs at least one class, not {num_classes}.")
    with seeded(seed):
        head = nn.Linear(num_features, num_classes)
        nn.init.trunc_normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
    return head.to(device)


def replace_head(model: Classifier, num_classes: int, seed: int = 0) -> Classifier:
    """Give ``model`` a fresh head for ``num_classes`` classes, in place, and return it.

    The head's weights depend on ``seed`` and its shape alone; device and dtype follow the old head.
    """
    old = model.head
    model.head = new_head(old.in_features, num_classes, seed, old.weight.device).to(old.weight.dtype)
    return model


def freeze_backbone(model: Classifier) -> Classifier:
    """Freeze all but the head, in place, and return ``model``.

    No gradient reaches the backbone, and batch-norm statistics, dropout and stochastic depth stand still in it
    even after ``model.train()``.
    """
    model.backbone.requires_grad_(False)
    model.frozen = True
    return model.train(model.training)
