"""What a ViT's weights say about the architecture that they need.

A ``vit_small_p32`` can start from DINOv2, DeiT-3, CLIP or augreg weights; they differ in layer scale, registers,
biases, the place of the last norm and whether the class token has a position. The network follows the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from timm.layers.mlp import SwiGLUPacked
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from models_zoo.errors import ModelZooError

__all__ = ["followed_architecture", "looks_like_vit", "origin_of", "position_tokens"]


_SIZES = {(192, 12): "tiny", (384, 12): "small", (768, 12): "base", (1024, 24): "large"}


def looks_like_vit(state: Mapping[str, Tensor]) -> bool:
    """Whether the tensors' names are those of timm's (or DINOv2's, DeiT-3's) plain ViT."""
    return "patch_embed.proj.weight" in state and "blocks.0.attn.qkv.weight" in state


def followed_architecture(state: Mapping[str, Tensor], net: VisionTransformer, model: str) -> dict[str, Any]:
    """Return the constructor arguments in which ``net`` must change to hold ``state``; empty if it fits as it is.

    Raises:
        ModelZooError: where width or depth differ, which make it another model.
    """
    _check_scale(state, net, model)
    wanted = _read(state)
    have = _read(net.state_dict())
    # An ambiguous position table (None) decides nothing, so the network stays as it is.
    return {key: value for key, value in wanted.items() if value is not None and value != have[key]}


def position_tokens(state: Mapping[str, Tensor]) -> int | None:
    """Return the side of the square position grid of ``state``; None without one."""
    positions = state.get("pos_embed")
    if positions is None or positions.ndim != 3:
        return None
    count = positions.shape[1]
    prefix = 0 if _no_embed_class(state) else _prefix_tokens(state)
    if "register_tokens" in state:  # DINOv2's own file has a position for the class token, though timm takes it off
        prefix = 1
    side = math.isqrt(max(count - prefix, 0))
    return side if side * side == count - prefix else None


def origin_of(state: Mapping[str, Tensor]) -> str | None:
    """Return timm's name of weights that only DINOv2 can have saved, whatever the file is called; else None.

    No other ViT has patch 14, layer scale and positions for 518 pixels together. It matters for the
    normalization: what a file is called must not change a result.
    """
    if not looks_like_vit(state):
        return None
    projection = state["patch_embed.proj.weight"]
    if projection.shape[-1] != 14 or position_tokens(state) != 37 or not _has_scale(state):
        return None
    size = _SIZES.get((projection.shape[0], _depth(state)))
    registers = "_reg4" if {"reg_token", "register_tokens"} & set(state) else ""
    return f"vit_{size}_patch14{registers}_dinov2" if size else None


def _has_scale(state: Mapping[str, Tensor]) -> bool:
    return any(key in state for key in ("blocks.0.ls1.gamma", "blocks.0.gamma_1"))


def _check_scale(state: Mapping[str, Tensor], net: VisionTransformer, model: str) -> None:
    width, depth = state["patch_embed.proj.weight"].shape[0], _depth(state)
    if (width, depth) == (net.embed_dim, len(net.blocks)):
        return
    fitting = _SIZES.get((width, depth))
    advice = f"vit_{fitting}_p{net.patch_embed.patch_size[0]}" if fitting else "the model that it was saved from"
    raise ModelZooError(
        f"the weights do not fit the model {model!r}: they are {width} wide and {depth} blocks deep, the model is "
        f"{net.embed_dim} wide and {len(net.blocks)} blocks deep. Use {advice}."
    )


def _depth(state: Mapping[str, Tensor]) -> int:
    numbers = {key.split(".")[1] for key in state if key.startswith("blocks.")}
    return len({number for number in numbers if number.isdigit()})


def _prefix_tokens(state: Mapping[str, Tensor]) -> int:
    registers = state.get("reg_token", state.get("register_tokens"))
    return int("cls_token" in state) + (registers.shape[1] if registers is not None else 0)


def _no_embed_class(state: Mapping[str, Tensor]) -> bool | None:
    """Whether the positions are of the patches alone; None where the count allows both readings."""
    if "register_tokens" in state:  # DINOv2's own file: timm adds the class position to the class token
        return True
    positions, prefix = state.get("pos_embed"), _prefix_tokens(state)
    if positions is None or not prefix:
        return None
    count = positions.shape[1]
    patches_alone = math.isqrt(count) ** 2 == count
    with_prefix = count > prefix and math.isqrt(count - prefix) ** 2 == count - prefix
    return patches_alone if patches_alone != with_prefix else None


def _read(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read constructor arguments of timm's VisionTransformer from tensor names and shapes."""
    block = {key.removeprefix("blocks.0.") for key in state if key.startswith("blocks.0.")}
    registers = state.get("reg_token", state.get("register_tokens"))
    fc_norm = "fc_norm.weight" in state and "norm.weight" not in state
    class_token = "cls_token" in state
    pool = "map" if any(key.startswith("attn_pool.") for key in state) else None
    if pool is None:
        pool = "avg" if fc_norm or not class_token else "token"
    return {
        "init_values": 1e-5 if _has_scale(state) else 0,  # any value: the file's own gammas replace it
        "class_token": class_token,
        "reg_tokens": registers.shape[1] if registers is not None else 0,
        "no_embed_class": _no_embed_class(state),
        "qkv_bias": "attn.qkv.bias" in block,
        "proj_bias": "attn.proj.bias" in block,
        "qk_norm": "attn.q_norm.weight" in block,
        "pre_norm": "norm_pre.weight" in state,
        "fc_norm": fc_norm,
        "global_pool": pool,
        **_mlp(state),
    }


def _mlp(state: Mapping[str, Tensor]) -> dict[str, Any]:
    first = state.get("blocks.0.mlp.fc1.weight", state.get("blocks.0.mlp.w12.weight"))
    second = state.get("blocks.0.mlp.fc2.weight", state.get("blocks.0.mlp.w3.weight"))
    if first is None or second is None:
        return {"mlp_ratio": None, "mlp_layer": None, "act_layer": None}
    width, hidden = second.shape[0], first.shape[0]
    gated = hidden == 2 * second.shape[1]
    ratio = hidden / width
    # timm takes int(width * ratio), which a rounded ratio could miss by one.
    exact = ratio if int(width * ratio) == hidden else (hidden + 0.5) / width
    return {
        "mlp_ratio": exact,
        "mlp_layer": SwiGLUPacked if gated else None,
        "act_layer": nn.SiLU if gated else None,
    }
