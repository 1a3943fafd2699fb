"""Image classifiers by name: what they are, how they are built, and what they cost.

    import models_zoo

    models_zoo.list_specs(family="vit", text="small")     # what there is; no torch yet
    models_zoo.check("vit_small_p64", image_size=256)     # names and sizes; typos get suggestions
    built = models_zoo.build("vit_small_p64", num_classes=8, image_size=256, weights="vit_small_patch14_dinov2.pth")
    built.provenance["patch_resampled"]                   # {"from": 14, "to": 64, "method": "pseudo-inverse resize"}
    models_zoo.freeze_backbone(built.module)              # only built.module.head learns
    models_zoo.describe("vit_small_p64", image_size=256)  # layers, tokens, parameters, FLOPs, memory

Importing this module is instant. What builds and measures imports torch when it is first used: ``BuiltModel``,
``Classifier``, ``build``, ``describe``, ``freeze_backbone`` and ``replace_head``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from models_zoo.errors import ModelZooError
from models_zoo.registry import check, get_spec, list_specs, suggest
from models_zoo.spec import ModelSpec
from models_zoo.weights.source import weights_hash

if TYPE_CHECKING:
    from models_zoo.networks.builder import BuiltModel, build
    from models_zoo.networks.classifier import Classifier, freeze_backbone, replace_head
    from models_zoo.summary import describe

__all__ = [
    "BuiltModel",
    "Classifier",
    "ModelSpec",
    "ModelZooError",
    "build",
    "check",
    "describe",
    "freeze_backbone",
    "get_spec",
    "list_specs",
    "replace_head",
    "suggest",
    "weights_hash",
]

_HOMES = {
    "BuiltModel": "models_zoo.networks.builder",
    "Classifier": "models_zoo.networks.classifier",
    "build": "models_zoo.networks.builder",
    "describe": "models_zoo.summary",
    "freeze_backbone": "models_zoo.networks.classifier",
    "replace_head": "models_zoo.networks.classifier",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'models_zoo' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
