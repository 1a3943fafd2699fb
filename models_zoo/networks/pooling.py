"""From a bare network to one feature vector an image: which tokens, which blocks, and how they are pooled."""

from __future__ import annotations

import inspect
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from models_zoo.errors import ModelZooError

__all__ = ["Features", "Pooling", "is_token_model"]

Pooling = Literal["default", "cls", "mean", "cls+mean"]


def is_token_model(net: nn.Module) -> bool:
    """Whether ``net`` is a plain transformer of timm: blocks of equal width over class and patch tokens."""
    taps = getattr(net, "forward_intermediates", None)
    has_tokens = hasattr(net, "num_prefix_tokens") and hasattr(net, "blocks") and hasattr(net, "embed_dim")
    return taps is not None and has_tokens and "return_prefix_tokens" in inspect.signature(taps).parameters


class Features(nn.Module):
    """A network without its classifier, pooled to features ``(B, num_features)``.

    ``pooling="default"`` with one block is the network's own features, untouched.

    Otherwise, for a plain transformer, each of the last ``blocks`` blocks gives all its tokens; they pass through
    the network's final norm; from each block come the class token (``cls``), the mean of the patch tokens
    (``mean``) or both (``cls+mean``); a network that norms after pooling (``fc_norm``) norms these vectors
    instead. They are concatenated, earlier blocks first and the class token before the mean within one. With
    ``cls+mean`` this holds all that DINOv2's linear evaluation uses (class tokens of the last n blocks and the
    mean of the last; Oquab et al. 2023, arXiv 2304.07193) and the means of the other blocks beside.

    For a network of stages (CNN, Swin), ``blocks`` counts stages: the feature map of each of the last ones is
    averaged over its positions and these are concatenated, without any layer between the last stage and the
    classifier.
    """

    def __init__(self, net: nn.Module, pooling: Pooling, blocks: int) -> None:
        super().__init__()
        self.net = net
        self.pooling = pooling
        self.blocks = blocks
        self.tokens = is_token_model(net)
        _check_pooling(net, pooling, blocks, self.tokens)
        if pooling == "default" and self.tokens and blocks > 1:
            self.pooling = "cls" if getattr(net, "global_pool", "token") == "token" else "mean"

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(B, num_features)`` of normalized images ``(B, 3, H, W)``."""
        if self.pooling == "default" and self.blocks == 1:
            features: Tensor = self.net(images)
            return features
        return self._pool_tokens(images) if self.tokens else self._pool_stages(images)

    def _pool_tokens(self, images: Tensor) -> Tensor:
        net: Any = self.net
        taps = net.forward_intermediates(
            images,
            indices=self.blocks,
            return_prefix_tokens=net.num_prefix_tokens > 0,
            norm=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        # After-pooling norm is an Identity in networks that norm their tokens, and the other way about.
        norm: nn.Module = getattr(net, "fc_norm", None) or nn.Identity()
        pooled: list[Tensor] = []
        for tap in taps:
            patches, prefix = tap if isinstance(tap, tuple) else (tap, None)
            if "cls" in self.pooling:
                pooled.append(norm(prefix[:, 0]))
            if "mean" in self.pooling:
                pooled.append(norm(patches.mean(dim=1)))
        return torch.cat(pooled, dim=1)

    def _pool_stages(self, images: Tensor) -> Tensor:
        net: Any = self.net
        maps = net.forward_intermediates(images, indices=self.blocks, intermediates_only=True)
        return torch.cat([stage.mean(dim=(2, 3)) for stage in maps], dim=1)


def _check_pooling(net: nn.Module, pooling: Pooling, blocks: int, tokens: bool) -> None:
    if pooling not in get_args(Pooling):
        raise ModelZooError(f"pooling {pooling!r} is unknown; allowed: {', '.join(get_args(Pooling))}.")
    if blocks < 1:
        raise ModelZooError(f"feature_blocks must be at least 1, not {blocks}.")
    if tokens:
        _check_tokens(net, pooling, blocks)
    elif "cls" in pooling:
        raise ModelZooError(f"pooling {pooling!r} needs a class token, which this network does not have; use mean.")
    elif (blocks > 1 or pooling == "mean") and not hasattr(net, "forward_intermediates"):
        raise ModelZooError(
            "this network gives its last features alone; leave feature_blocks at 1 and pooling at default."
        )
    elif blocks > 1 and blocks > len(getattr(net, "feature_info", ())):
        raise ModelZooError(f"feature_blocks: {blocks} is more than the network's {_stages(net)} stages.")


def _check_tokens(net: nn.Module, pooling: Pooling, blocks: int) -> None:
    depth = len(net.blocks)  # type: ignore[arg-type]
    if blocks > depth:
        raise ModelZooError(f"feature_blocks: {blocks} is more than the network's {depth} blocks.")
    if "cls" in pooling and getattr(net, "cls_token", None) is None:
        raise ModelZooError(f"pooling {pooling!r} needs a class token, which this network does not have; use mean.")


def _stages(net: nn.Module) -> int:
    return len(getattr(net, "feature_info", ()))
