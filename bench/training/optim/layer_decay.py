"""How deep each parameter of a model lies: the same rule for transformers and convolutional networks."""

from __future__ import annotations

from timm.models import group_parameters
from torch import nn

from models_zoo.networks.classifier import Classifier

__all__ = ["layers_of"]

_GROUP = 12
"""Parameters in a layer of a network that timm does not know: the number that timm takes for such."""


def layers_of(module: nn.Module) -> dict[str, int]:
    """Return the layer of each parameter by its name, 0 next to the image, the head's last.

    The layers are timm's own grouping of a network, a block each; for a network that has none, groups of twelve
    parameters in their order. A module that is not a `Classifier` is a head alone: one layer.
    """
    if not isinstance(module, Classifier):
        return {name: 0 for name, _ in module.named_parameters()}
    net: nn.Module = getattr(module.backbone, "net", module.backbone)
    prefix = "backbone.net." if net is not module.backbone else "backbone."
    matcher = getattr(net, "group_matcher", None)
    if matcher is not None:
        found: dict[str, int] = group_parameters(net, matcher(coarse=False), reverse=True)
    else:
        found = {name: place // _GROUP for place, (name, _) in enumerate(net.named_parameters())}
    numbers = {layer: place for place, layer in enumerate(sorted(set(found.values())))}
    layers = {prefix + name: numbers[layer] for name, layer in found.items()}
    return {name: layers.get(name, len(numbers)) for name, _ in module.named_parameters()}
