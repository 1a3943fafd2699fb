"""Bare networks from timm, torchvision or a user's function: images in, features out, random weights."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

import timm
import torchvision
from timm.layers.patch_embed import PatchEmbed
from torch import nn

from models_zoo.errors import ModelZooError
from models_zoo.spec import ModelSpec

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Network", "create_network", "normalization_of"]

Triple = tuple[float, float, float]
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
# What a constructor raises when it cannot take what it was given, as timm, torchvision and torch do.
_CONSTRUCTION_ERRORS = (TypeError, ValueError, AssertionError, RuntimeError, KeyError, IndexError, AttributeError)


@dataclass
class Network:
    """A network without its classifier, and what its library knows about it."""

    module: nn.Module
    """Images ``(B, 3, H, W)`` to features ``(B, num_features)``."""
    num_features: int
    mean: Triple
    std: Triple
    classifier: tuple[str, ...]
    """Names of the layers that a checkpoint's own classifier has, ignored on loading."""
    default_weights: str | None
    """``hub:...`` or a URL of the library's own pretrained weights; None where there are none."""


def create_network(spec: ModelSpec, image_size: int, overrides: Mapping[str, Any] | None = None) -> Network:
    """Build the bare network of ``spec`` for square images, ``image_size`` pixels wide and high.

    Args:
        spec: the model.
        image_size: width and height in pixels.
        overrides: constructor arguments that win over the spec's, such as those a checkpoint asks for.

    Raises:
        ModelZooError: where the library does not know the model or cannot build it so.
    """
    spec.check_image_size(image_size)
    if spec.library == "timm":
        return _from_timm(spec, image_size, overrides or {})
    return _from_torchvision(spec, image_size) if spec.library == "torchvision" else _from_function(spec, image_size)


def normalization_of(architecture: str) -> tuple[Triple, Triple] | None:
    """Return timm's mean and deviation of 0..1 RGB for an architecture ``NAME[.TAG]``; None if timm has none."""
    name = architecture.partition(".")[0]
    if not name or not timm.is_model(name):
        return None
    try:
        config = timm.models.get_pretrained_cfg(architecture)
    except RuntimeError:  # what follows the dot is no tag of timm's, such as ".fp16"
        config = timm.models.get_pretrained_cfg(name)
    return (_triple(config.mean, IMAGENET_MEAN), _triple(config.std, IMAGENET_STD)) if config else None


def _from_timm(spec: ModelSpec, image_size: int, overrides: Mapping[str, Any]) -> Network:
    config = _timm_config(spec)
    architecture = spec.library_name.partition(".")[0]
    kwargs: dict[str, Any] = {**spec.kwargs, **overrides, "num_classes": 0}
    if config.fixed_input_size:
        kwargs["img_size"] = image_size
    try:
        module = timm.create_model(architecture, **kwargs)
    except _CONSTRUCTION_ERRORS as error:
        raise _not_built(spec, image_size, error) from error
    _check_patches(spec, module, image_size)
    return Network(
        module=module,
        num_features=_width(module),
        mean=_triple(config.mean, IMAGENET_MEAN),
        std=_triple(config.std, IMAGENET_STD),
        classifier=_names(config.classifier),
        default_weights=spec.default_weights or _timm_source(config),
    )


def _timm_config(spec: ModelSpec) -> Any:
    architecture, _, tag = spec.library_name.partition(".")
    if not timm.is_model(architecture):
        near = get_close_matches(architecture, timm.list_models(), n=3)
        raise ModelZooError(
            f"timm has no model {architecture!r}.{_did_you_mean(near, 'timm:')} timm.list_models() lists them."
        )
    if tag and spec.library_name not in timm.list_models(f"{architecture}.*", pretrained=True):
        tags = [name.partition(".")[2] for name in timm.list_models(f"{architecture}.*", pretrained=True)]
        raise ModelZooError(
            f"timm's {architecture!r} has no pretrained tag {tag!r}; it has {', '.join(tags) or 'none'}."
        )
    return timm.models.get_pretrained_cfg(spec.library_name)


def _check_patches(spec: ModelSpec, module: nn.Module, image_size: int) -> None:
    """Refuse a size that patches do not divide: timm would leave out the image's last rows and columns."""
    for layer in module.modules():
        if isinstance(layer, PatchEmbed) and image_size % layer.patch_size[0]:
            patch = layer.patch_size[0]
            below = image_size // patch * patch
            sizes = " or ".join(str(size) for size in (below, below + patch) if size)
            raise ModelZooError(
                f"model {spec.name!r} cannot take images of {image_size} x {image_size}: its patches of {patch} "
                f"pixels do not divide it. Set image_size to {sizes}."
            )


def _width(module: nn.Module) -> int:
    # What the classifier would read; it differs from num_features where layers lie between, as in VGG.
    return int(cast(int, getattr(module, "head_hidden_size", None) or module.num_features))


def _timm_source(config: Any) -> str | None:
    if config.hf_hub_id:
        return f"hub:{config.hf_hub_id}"
    return config.url or None


def _from_torchvision(spec: ModelSpec, image_size: int) -> Network:
    known = torchvision.models.list_models(module=torchvision.models)
    if spec.library_name not in known:
        near = get_close_matches(spec.library_name, known, n=3)
        raise ModelZooError(
            f"torchvision has no classifier {spec.library_name!r}.{_did_you_mean(near, 'torchvision:')} "
            "torchvision.models.list_models() lists them."
        )
    kwargs: dict[str, Any] = dict(spec.kwargs)
    if spec.library_name.startswith("vit_"):
        kwargs["image_size"] = image_size
    if spec.library_name in ("googlenet", "inception_v3"):
        kwargs.update(aux_logits=False, init_weights=True)
    try:
        module = torchvision.models.get_model(spec.library_name, weights=None, **kwargs)
    except _CONSTRUCTION_ERRORS as error:
        raise _not_built(spec, image_size, error) from error
    weights = torchvision.models.get_model_weights(spec.library_name)
    default = getattr(weights, "DEFAULT", None)
    preset = default.transforms() if default else None
    features, head = _take_off_head(spec, module, 1000)
    return Network(
        module=module,
        num_features=features,
        mean=_triple(getattr(preset, "mean", None), IMAGENET_MEAN),
        std=_triple(getattr(preset, "std", None), IMAGENET_STD),
        classifier=(head,),
        default_weights=default.url if default else None,
    )


def _from_function(spec: ModelSpec, image_size: int) -> Network:
    """Call a user's function with those of ``num_classes`` and ``image_size`` that it takes.

    It returns a classifier that ends in an ``nn.Linear``, which is taken off, so that any ``num_classes`` does:
    1000 is asked for, always, so that random weights do not depend on the study's classes. ``mean`` and ``std``
    on what it returns, three numbers each, are its normalization; ImageNet's without them.
    """
    function = _import_function(spec)
    offered = {"num_classes": 1000, "image_size": image_size}
    parameters = inspect.signature(function).parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    kwargs = offered if takes_all else {key: value for key, value in offered.items() if key in parameters}
    try:
        module = function(**kwargs)
    except Exception as error:
        raise _not_built(spec, image_size, error) from error
    if not isinstance(module, nn.Module):
        raise ModelZooError(f"{spec.library_name} returned {type(module).__name__}, not a torch.nn.Module.")
    features, head = _take_off_head(spec, module, kwargs.get("num_classes"))
    return Network(
        module=module,
        num_features=features,
        mean=_triple(getattr(module, "mean", None), IMAGENET_MEAN),
        std=_triple(getattr(module, "std", None), IMAGENET_STD),
        classifier=(head,),
        default_weights=None,
    )


def _import_function(spec: ModelSpec) -> Callable[..., object]:
    module_name, _, attribute = spec.library_name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ModelZooError(
            f"model {spec.name!r}: importing {module_name!r} failed ({error}). Install it, or put its folder on "
            "PYTHONPATH or start from there."
        ) from error
    except Exception as error:
        raise ModelZooError(
            f"model {spec.name!r}: importing {module_name!r} failed ({type(error).__name__}: {error}). Mend it there."
        ) from error
    found = getattr(module, attribute, None)
    if found is None:
        near = get_close_matches(attribute, dir(module), n=3)
        raise ModelZooError(
            f"model {spec.name!r}: {module_name!r} has no function {attribute!r}."
            f"{_did_you_mean(near, f'python:{module_name}:')}"
        )
    if not callable(found):
        raise ModelZooError(f"model {spec.name!r}: {spec.library_name} is not a function.")
    return found  # type: ignore[no-any-return]


def _take_off_head(spec: ModelSpec, module: nn.Module, classes: int | None) -> tuple[int, str]:
    """Put an Identity where the last layer that gives the classes is; return its inputs and its name."""
    for name, layer in reversed(list(module.named_modules())):
        if isinstance(layer, nn.Linear):
            features, outputs = layer.in_features, layer.out_features
        elif isinstance(layer, nn.Conv2d) and layer.out_channels == classes:  # SqueezeNet's classifier
            features, outputs = layer.in_channels, layer.out_channels
        else:
            continue
        if name and outputs == (classes or outputs):
            parent = module.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], nn.Identity())
            return features, name
    raise ModelZooError(
        f"model {spec.name!r} has no last nn.Linear with {classes or 'any number of'} outputs to take as its "
        "classifier. Its function must return images -> logits (B, num_classes) that end in such a layer."
    )


def _not_built(spec: ModelSpec, image_size: int, error: BaseException) -> ModelZooError:
    what = f"{type(error).__name__}: {error}"
    return ModelZooError(
        f"model {spec.name!r} cannot be built for images of {image_size} x {image_size} by {spec.library} ({what}). "
        f"Try its own size, {spec.image_size}, or another model."
    )


def _did_you_mean(names: list[str], prefix: str) -> str:
    return f" Did you mean {' or '.join(repr(prefix + name) for name in names)}?" if names else ""


def _names(classifier: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if classifier is None:
        return ()
    return (classifier,) if isinstance(classifier, str) else tuple(classifier)


def _triple(value: object, otherwise: Triple) -> Triple:
    if isinstance(value, tuple | list) and len(value) == 3 and all(isinstance(v, float | int) for v in value):
        return (float(value[0]), float(value[1]), float(value[2]))
    return otherwise
