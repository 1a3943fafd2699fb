"""Vision transformers as data: one line a model.

Plain ViTs follow Dosovitskiy et al. 2021 (arXiv 2010.11929) and Touvron et al. 2021 (arXiv 2012.12877, tiny and
small). Patch 64 and 128 exist in no collection of weights: they are timm's architecture with another
``patch_size``, and their pretrained weights are resampled from a smaller patch (FlexiViT, arXiv 2212.08013).
"""

from __future__ import annotations

from models_zoo.spec import ModelSpec

__all__ = ["VIT_PATCHES", "VIT_SIZES", "VIT_SPECS"]

VIT_SIZES = ("tiny", "small", "base", "large")
VIT_PATCHES = (8, 16, 32, 64, 128)

_AUGREG = "augreg_in21k_ft_in1k"
# The published file that each size and patch starts from; a missing patch takes the next smaller one there is.
_HUB = {
    "tiny": {16: f"vit_tiny_patch16_224.{_AUGREG}"},
    "small": {16: f"vit_small_patch16_224.{_AUGREG}", 32: f"vit_small_patch32_224.{_AUGREG}"},
    "base": {
        8: "vit_base_patch8_224.augreg2_in21k_ft_in1k",
        16: "vit_base_patch16_224.augreg2_in21k_ft_in1k",
        32: f"vit_base_patch32_224.{_AUGREG}",
    },
    "large": {
        16: f"vit_large_patch16_224.{_AUGREG}",
        32: "vit_large_patch32_384.orig_in21k_ft_in1k",
    },
}

# Parameters with a head for 1000 classes, and multiply-adds at the model's own image size: the table needs no torch.
# ``python -m models_zoo.summary --figures`` prints these lines, and a test holds them to the models.
_COUNTS = {
    "vit_tiny_p8": (5719720, 7035764736),
    "vit_tiny_p16": (5717416, 1253683200),
    "vit_tiny_p32": (6131560, 306034176),
    "vit_tiny_p64": (7894696, 129515520),
    "vit_tiny_p128": (14970280, 64598016),
    "vit_small_p8": (22055272, 22405742592),
    "vit_small_p16": (22050664, 4598882304),
    "vit_small_p32": (22878952, 1142909952),
    "vit_small_p64": (26405224, 439517184),
    "vit_small_p128": (40556392, 182280192),
    "vit_base_p8": (86576872, 78148337664),
    "vit_base_p16": (86567656, 17563828224),
    "vit_base_p32": (88224232, 4409186304),
    "vit_base_p64": (95276776, 1600978944),
    "vit_base_p128": (123579112, 576897024),
    "vit_large_p8": (304338920, 267505917952),
    "vit_large_p16": (304326632, 61554712576),
    "vit_large_p32": (306535400, 15377539072),
    "vit_large_p64": (315938792, 5350383616),
    "vit_large_p128": (353675240, 1713528832),
    "flexivit_small": (22061416, 5336263680),
    "flexivit_base": (86589160, 20270143488),
    "flexivit_large": (304355304, 70938173440),
    "deit3_small": (22059496, 4598882304),
    "deit3_base": (86585320, 17563828224),
    "dinov2_small": (22013800, 6123945984),
    "dinov2_base": (86493928, 23161995264),
    "dinov2_large": (304252904, 81013006336),
    "dinov2_small_reg4": (22014952, 6227976192),
    "swin_tiny": (28288354, 4490566656),
    "swin_small": (49606258, 8740875264),
    "vit_hybrid_small_r26_s32": (36431912, 3463851008),
    "vit_hybrid_base_r50_s16": (98659112, 21535358976),
}


def _published_file(size: str, patch: int) -> str:
    published = _HUB[size]
    smaller = [known for known in published if known <= patch]
    return f"hub:timm/{published[max(smaller) if smaller else min(published)]}"


def _plain(size: str, patch: int) -> ModelSpec:
    name = f"vit_{size}_p{patch}"
    return ModelSpec(
        name=name,
        family="vit",
        library="timm",
        library_name=f"vit_{size}_patch16_224",
        patch=patch,
        image_size=256 if patch > 32 else 224,
        image_multiple=patch,
        min_image_size=patch,
        kwargs={"patch_size": patch},
        default_weights=_published_file(size, patch),
        description=f"ViT {size}, patch {patch} (Dosovitskiy et al. 2021)",
        counts=_COUNTS.get(name),
    )


def _named(name: str, timm_name: str, tag: str, patch: int, image_size: int, description: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="vit",
        library="timm",
        library_name=timm_name,
        patch=patch,
        image_size=image_size,
        image_multiple=patch,
        min_image_size=patch,
        default_weights=f"hub:timm/{timm_name}.{tag}",
        description=description,
        counts=_COUNTS.get(name),
    )


def _other(name: str, family: str, timm_name: str, tag: str, multiple: int, description: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="swin" if family == "swin" else "hybrid",
        library="timm",
        library_name=timm_name,
        patch=4 if family == "swin" else None,
        image_multiple=multiple,
        min_image_size=multiple,
        default_weights=f"hub:timm/{timm_name}.{tag}",
        description=description,
        counts=_COUNTS.get(name),
    )


_FLEXI = "FlexiViT {}, one set of weights for every patch (Beyer et al. 2023)"
_DEIT3 = "DeiT-3 {} (Touvron et al. 2022)"
_DINO = "DINOv2 {}, self-supervised (Oquab et al. 2023)"
_DINO_REG = "DINOv2 {} with 4 registers (Darcet et al. 2023)"
_SWIN = "Swin {}, window 7 (Liu et al. 2021)"
_HYBRID = "ResNet stem and ViT {} (Steiner et al. 2021)"

VIT_SPECS: tuple[ModelSpec, ...] = (
    *(_plain(size, patch) for size in VIT_SIZES for patch in VIT_PATCHES),
    _named("flexivit_small", "flexivit_small", "1200ep_in1k", 16, 240, _FLEXI.format("small")),
    _named("flexivit_base", "flexivit_base", "1200ep_in1k", 16, 240, _FLEXI.format("base")),
    _named("flexivit_large", "flexivit_large", "1200ep_in1k", 16, 240, _FLEXI.format("large")),
    _named("deit3_small", "deit3_small_patch16_224", "fb_in1k", 16, 224, _DEIT3.format("small")),
    _named("deit3_base", "deit3_base_patch16_224", "fb_in1k", 16, 224, _DEIT3.format("base")),
    _named("dinov2_small", "vit_small_patch14_dinov2", "lvd142m", 14, 224, _DINO.format("small")),
    _named("dinov2_base", "vit_base_patch14_dinov2", "lvd142m", 14, 224, _DINO.format("base")),
    _named("dinov2_large", "vit_large_patch14_dinov2", "lvd142m", 14, 224, _DINO.format("large")),
    _named("dinov2_small_reg4", "vit_small_patch14_reg4_dinov2", "lvd142m", 14, 224, _DINO_REG.format("small")),
    _other("swin_tiny", "swin", "swin_tiny_patch4_window7_224", "ms_in1k", 32, _SWIN.format("tiny")),
    _other("swin_small", "swin", "swin_small_patch4_window7_224", "ms_in22k_ft_in1k", 32, _SWIN.format("small")),
    _other("vit_hybrid_small_r26_s32", "hybrid", "vit_small_r26_s32_224", _AUGREG, 32, _HYBRID.format("small")),
    _other("vit_hybrid_base_r50_s16", "hybrid", "vit_base_r50_s16_224", "orig_in21k", 16, _HYBRID.format("base")),
)
