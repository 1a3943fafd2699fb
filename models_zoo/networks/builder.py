"""From a name to a model that can be trained: network, weights, pooling and a head, with their provenance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from models_zoo.errors import ModelZooError
from models_zoo.networks.backbones import Network, create_network
from models_zoo.networks.classifier import Classifier, freeze_backbone, new_head, replace_head, seeded
from models_zoo.networks.pooling import Features, Pooling, is_token_model
from models_zoo.registry import get_spec
from models_zoo.spec import ModelSpec
from models_zoo.weights.load import load_weights
from models_zoo.weights.source import parse_weights

__all__ = ["BuiltModel", "Classifier", "build", "freeze_backbone", "replace_head"]


@dataclass(frozen=True)
class BuiltModel:
    """A model ready for training, and where it comes from."""

    module: Classifier
    """Normalized images ``(B, 3, H, W)`` to logits ``(B, num_classes)``."""
    spec: ModelSpec
    mean: tuple[float, float, float]
    """What to take off images in 0..1, by channel: red, green, blue."""
    std: tuple[float, float, float]
    """What to divide them by then."""
    num_features: int
    """Width of the features that the head reads."""
    provenance: dict[str, Any]
    """How the weights came to be; JSON-able. Keys: ``weights`` (``none``, ``default``,
    ``hub`` or ``file``), ``seed``, ``model``, ``library``,
    ``pooling``, ``feature_blocks``, ``normalization``, ``notes``; with pretrained weights also ``source``,
    ``file``, ``sha256``, ``dtype_lifted_from``, ``patch_resampled``, ``position_grid``, ``architecture_followed``
    and ``ignored_keys``."""


def build(
    name: str,
    *,
    num_classes: int,
    image_size: int,
    weights: str | Path = "none",
    feature_blocks: int = 1,
    pooling: Pooling | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> BuiltModel:
    """Build a model.

    The same seed gives the same weights; the backbone's do not depend on ``num_classes``. torch's own random
    state is left as it was.

    Args:
        name: as ``models_zoo.get_spec`` takes it. For ``python:package.module:function`` the function takes
            ``num_classes``, ``image_size``, both or neither, and returns a classifier that ends in an ``nn.Linear``.
        num_classes: width of the new head.
        image_size: width and height in pixels of the square images to come.
        weights: ``none``, ``default``, ``hub:OWNER/REPOSITORY[@REVISION]`` or the path of a file.
        feature_blocks: how many of the last blocks (stages, for a CNN) feed the head; see ``Features``.
        pooling: ``default`` (the network's own), ``cls``, ``mean`` or ``cls+mean``. None means ``cls+mean`` for
            several blocks of a plain transformer that has a class token, and ``default`` otherwise.
        seed: of the random weights.
        device: ``cpu``, or ``meta`` for a model without storage, to count its size and cost.

    Raises:
        ModelZooError: for an unknown model, a size that it cannot take, or weights that do not fit it.
    """
    spec = get_spec(name)
    source = parse_weights(weights)
    if device == "meta" and source.kind != "none":
        raise ModelZooError("a model on the meta device has no storage to load weights into.")
    with seeded(seed), torch.device(device):
        network = create_network(spec, image_size)
        provenance: dict[str, Any] = {"notes": [], "normalization": f"{spec.library} {spec.library_name}"}
        if source.kind != "none":
            network, provenance = load_weights(spec, image_size, network, source)
        chosen = pooling or _default_pooling(network, feature_blocks)
        backbone = Features(network.module, chosen, feature_blocks)
        num_features = _num_features(spec, backbone, network, image_size, device)
    module = Classifier(backbone, new_head(num_features, num_classes, seed, device))
    return BuiltModel(
        module=module,
        spec=spec,
        mean=network.mean,
        std=network.std,
        num_features=num_features,
        provenance={
            "model": spec.name,
            "library": f"{spec.library} {spec.library_name}",
            "weights": source.kind,
            "seed": seed,
            "pooling": backbone.pooling,
            "feature_blocks": feature_blocks,
            **provenance,
        },
    )


def _default_pooling(network: Network, feature_blocks: int) -> Pooling:
    # Other networks may have a cls_token without giving it out block by block (CaiT, XCiT, VOLO).
    has_class_token = is_token_model(network.module) and getattr(network.module, "cls_token", None) is not None
    return "cls+mean" if feature_blocks > 1 and has_class_token else "default"


def _num_features(spec: ModelSpec, backbone: Features, network: Network, image_size: int, device: str) -> int:
    """Return the width of the features: known for a registered model's own, else by running one image."""
    if backbone.tokens and backbone.pooling != "default":
        width = cast(int, backbone.net.embed_dim)
        return width * len(backbone.pooling.split("+")) * backbone.blocks
    registered = ":" not in spec.name and spec.library == "timm"
    if registered and backbone.pooling == "default" and backbone.blocks == 1:
        return network.num_features
    return _run_once(spec, backbone, image_size, device)


def _run_once(spec: ModelSpec, backbone: Features, image_size: int, device: str) -> int:
    backbone.eval()
    try:
        with torch.no_grad():
            features = backbone(torch.zeros(1, 3, image_size, image_size, device=device))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise ModelZooError(
            f"model {spec.name!r} was built, but cannot take an image of {image_size} x {image_size}: "
            f"{str(error) or type(error).__name__}. Try another image_size."
        ) from error
    backbone.train()
    if not isinstance(features, torch.Tensor) or features.ndim != 2:
        shape = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
        raise ModelZooError(
            f"model {spec.name!r} gives {shape} without its last layer, not features (B, F): only classifiers of "
            "whole images can be compared."
        )
    return int(features.shape[1])
