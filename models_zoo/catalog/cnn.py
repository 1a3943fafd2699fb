"""Convolutional networks as data: one line a model. All are timm's, whose tests hold them to the papers."""

from __future__ import annotations

from models_zoo.spec import ModelSpec

__all__ = ["CNN_SPECS"]

_RESNET = "ResNet-{} (He et al. 2016)"
_VGG = "VGG-{}, {} batch norm, at any image size (Simonyan & Zisserman 2015)"
_MOBILE = "MobileNetV3 {} (Howard et al. 2019)"
_EFFICIENT = "EfficientNet-{} (Tan & Le 2019)"
_CONVNEXT = "ConvNeXt {} (Liu et al. 2022)"
_REGNET = "RegNet{} (Radosavovic et al. 2020)"


def _cnn(name: str, tag: str, description: str, timm_name: str = "", image_size: int = 224) -> ModelSpec:
    timm_name = timm_name or name
    return ModelSpec(
        name=name,
        family="cnn",
        library="timm",
        library_name=timm_name,
        image_size=image_size,
        default_weights=f"hub:timm/{timm_name}.{tag}",
        description=description,
    )


CNN_SPECS: tuple[ModelSpec, ...] = (
    *(_cnn(f"resnet{n}", "a1_in1k", _RESNET.format(n)) for n in (18, 34, 50, 101, 152)),
    *(_cnn(f"vgg{n}", "tv_in1k", _VGG.format(n, "without")) for n in (11, 13, 16, 19)),
    *(_cnn(f"vgg{n}_bn", "tv_in1k", _VGG.format(n, "with")) for n in (11, 13, 16, 19)),
    _cnn("densenet121", "ra_in1k", "DenseNet-121 (Huang et al. 2017)"),
    _cnn("mobilenetv3_small", "lamb_in1k", _MOBILE.format("small"), "mobilenetv3_small_100"),
    _cnn("mobilenetv3_large", "ra_in1k", _MOBILE.format("large"), "mobilenetv3_large_100"),
    _cnn("efficientnet_b0", "ra_in1k", _EFFICIENT.format("B0")),
    _cnn("efficientnet_b4", "ra2_in1k", _EFFICIENT.format("B4"), image_size=320),
    _cnn("efficientnet_lite0", "in1k", _EFFICIENT.format("Lite0"), "tf_efficientnet_lite0"),
    _cnn("convnext_tiny", "in12k_ft_in1k", _CONVNEXT.format("tiny")),
    _cnn("convnext_small", "in12k_ft_in1k", _CONVNEXT.format("small")),
    _cnn("regnetx_016", "tv2_in1k", _REGNET.format("X-1.6GF")),
    _cnn("regnety_016", "tv2_in1k", _REGNET.format("Y-1.6GF")),
)
