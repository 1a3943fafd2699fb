"""Pretrained weights into a network: fetched, followed, resampled, checked, with a record of what was done."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from models_zoo.errors import ModelZooError
from models_zoo.networks.backbones import Network, create_network, normalization_of
from models_zoo.spec import ModelSpec
from models_zoo.weights.checkpoint import fill, lift_to_float32, read_checkpoint, without_classifier, without_prefixes
from models_zoo.weights.download import fetch_hub, fetch_url
from models_zoo.weights.source import WeightsSource, parse_weights, weights_hash
from models_zoo.weights.vit_architecture import followed_architecture, looks_like_vit, origin_of, position_tokens

__all__ = ["load_weights"]

State = dict[str, Tensor]
# timm keeps each family's converter of foreign checkpoints beside its classes, under one of these names.
_TIMM_CONVERTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")
_DENSENET_KEY = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")


def load_weights(
    spec: ModelSpec, image_size: int, network: Network, source: WeightsSource
) -> tuple[Network, dict[str, Any]]:
    """Fill ``network`` from ``source``.

    A plain ViT follows the architecture that the file asks for, its patch projection is resampled by the
    pseudo-inverse resize of FlexiViT (Beyer et al. 2023) and its positions by bicubic interpolation, both timm's.

    Returns:
        The filled network (another one where the file asks for another architecture) and its provenance.

    Raises:
        ModelZooError: where the weights cannot be had or do not fit.
    """
    path, label = _locate(spec, network, source)
    raw, metadata, notes = read_checkpoint(path)
    raw, foreign = without_prefixes(raw, network.module.state_dict())
    if foreign:
        notes = [*notes, f"not used, for they belong to no part of the model: {_listed(foreign)}"]
    state, lifted = lift_to_float32(raw)
    provenance: dict[str, Any] = {
        "source": label,
        "file": path.name,
        "sha256": weights_hash(path),
        "dtype_lifted_from": lifted,
        "notes": notes,
    }
    if spec.library == "timm":
        network, state = _fit_timm(spec, image_size, network, state, provenance)
    elif spec.library == "torchvision":
        state = _fit_torchvision(spec, image_size, network.module, state)
    state, ignored = without_classifier(state, network.classifier)
    fill(network.module, state, source=label, model=spec.name)
    provenance["ignored_keys"] = ignored
    names = [metadata.get("architecture", ""), origin_of(raw) or "", *_names_in(label)]
    return _normalized(spec, network, names, provenance), provenance


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _locate(spec: ModelSpec, network: Network, source: WeightsSource) -> tuple[Path, str]:
    """Return the file on this machine and how to call it."""
    if source.kind == "file" and source.path is not None:
        return source.path, source.path.name
    if source.kind == "hub":
        return fetch_hub(source.hub, source.revision), f"hub:{source.hub}" + f"@{source.revision or ''}".rstrip("@")
    default = network.default_weights
    if default is None:
        raise ModelZooError(
            f"model {spec.name!r} has no default weights. Give the path of a file, hub:OWNER/REPOSITORY, or none."
        )
    if default.startswith("hub:"):
        hub = parse_weights(default)
        return fetch_hub(hub.hub, hub.revision), default
    return fetch_url(default), default


def _names_in(label: str) -> list[str]:
    """Return what in ``hub:timm/NAME.TAG`` or ``NAME.fp16.safetensors`` may be timm's name of the weights."""
    name = label.partition("@")[0].rpartition("/")[2] if label.startswith("hub:") else label.rpartition("/")[2]
    return [name, name.partition(".")[0]]


def _normalized(spec: ModelSpec, network: Network, names: list[str], provenance: dict[str, Any]) -> Network:
    """Take the normalization of the weights where their name implies it, for a resampled ViT may start from any."""
    provenance["normalization"] = f"{spec.library} {spec.library_name}"
    if spec.library != "timm":
        return network
    for name in names:
        known = normalization_of(name)
        if known is not None:
            provenance["normalization"] = f"timm {name}"
            return replace(network, mean=known[0], std=known[1])
    provenance["notes"].append(
        f"the file does not say what it was pretrained with: normalized as timm's {spec.library_name}"
    )
    return network


def _fit_timm(
    spec: ModelSpec, image_size: int, network: Network, state: State, provenance: dict[str, Any]
) -> tuple[Network, State]:
    net = network.module
    if isinstance(net, VisionTransformer) and looks_like_vit(state) and not hasattr(net.patch_embed, "backbone"):
        changes = followed_architecture(state, net, spec.name)
        if changes:
            network = create_network(spec, image_size, changes)
            provenance["architecture_followed"] = {
                key: value if isinstance(value, bool | int | float | str) else _called(value)
                for key, value in changes.items()
            }
        if changes.get("pre_norm"):
            provenance["notes"].append(
                "these look like CLIP's weights, whose activation and norm epsilon stand in no file: timm's own "
                "architecture for them (timm:NAME) is the sure way"
            )
        _record_resampling(state, network.module, provenance)
    return network, _convert_timm(spec, network.module, state)


def _called(layer: Any) -> str:
    return str(getattr(layer, "func", layer).__name__)  # some of timm's layers are partials of others


def _record_resampling(state: State, net: nn.Module, provenance: dict[str, Any]) -> None:
    embed = cast(PatchEmbed, net.patch_embed)
    patch_from, patch_to = state["patch_embed.proj.weight"].shape[-1], embed.patch_size[0]
    if patch_from != patch_to:
        provenance["patch_resampled"] = {"from": patch_from, "to": patch_to, "method": "pseudo-inverse resize"}
    grid_from, grid_to = position_tokens(state), embed.grid_size[0]
    if grid_from is not None and grid_from != grid_to:
        provenance["position_grid"] = {"from": grid_from, "to": grid_to, "method": "interpolation"}


def _convert_timm(spec: ModelSpec, net: nn.Module, state: State) -> State:
    module = sys.modules[type(net).__module__]
    convert: Callable[..., State] | None = next(
        (getattr(module, name) for name in _TIMM_CONVERTERS if hasattr(module, name)), None
    )
    if convert is None:
        return state
    kwargs: dict[str, Any] = {}
    if isinstance(net, VisionTransformer):
        kwargs["adapt_layer_scale"] = any(".gamma_1" in key for key in state)  # DeiT-3's own files
        if "flexi" in spec.library_name:  # as timm does for these: they were trained with bilinear resizing
            kwargs.update(interpolation="bilinear", antialias=False)
    try:
        return convert(state, net, **kwargs) if module.__name__ not in _STATE_ALONE else convert(state)
    except (KeyError, RuntimeError, ValueError, AttributeError, IndexError) as error:
        raise ModelZooError(
            f"the weights {spec.name!r} was given are of another kind of model: timm cannot convert them "
            f"({type(error).__name__}: {error}). Use the model that the file was saved from."
        ) from error


_STATE_ALONE = {"timm.models.vgg", "timm.models.regnet", "timm.models.densenet"}


def _fit_torchvision(spec: ModelSpec, image_size: int, net: nn.Module, state: State) -> State:
    state = {_DENSENET_KEY.sub(r"\1\2.", key): value for key, value in state.items()}
    positions = "encoder.pos_embedding"
    own = dict(net.named_parameters()).get(positions)
    if own is not None and positions in state and own.shape != state[positions].shape:
        try:
            state = dict(interpolate_embeddings(image_size, net.patch_size, state))
        except ValueError as error:
            raise ModelZooError(f"the positions of {spec.name!r} cannot be resampled: {error}.") from error
    return state
