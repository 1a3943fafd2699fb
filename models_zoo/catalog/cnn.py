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

# Parameters with a head for 1000 classes, and multiply-adds at the model's own image size: the table needs no torch.
# ``python -m models_zoo.summary --figures`` prints these lines, and a test holds them to the models.
_COUNTS = {
    "resnet18": (11689512, 1814073344),
    "resnet34": (21797672, 3663761408),
    "resnet50": (25557032, 4089184256),
    "resnet101": (44549160, 7801405440),
    "resnet152": (60192808, 11513626624),
    "vgg11": (132863336, 7609090048),
    "vgg13": (133047848, 11308466176),
    "vgg16": (138357544, 15470264320),
    "vgg19": (143667240, 19632062464),
    "vgg11_bn": (132868840, 7609090048),
    "vgg13_bn": (133053736, 11308466176),
    "vgg16_bn": (138365992, 15470264320),
    "vgg19_bn": (143678248, 19632062464),
    "densenet121": (7978856, 2834161664),
    "mobilenetv3_small": (2542856, 56510400),
    "mobilenetv3_large": (5483032, 216589760),
    "efficientnet_b0": (5288548, 385814752),
    "efficientnet_b4": (19341616, 3063687008),
    "efficientnet_lite0": (4652008, 385187552),
    "convnext_tiny": (28589128, 4455531264),
    "convnext_small": (50223688, 8683712256),
    "regnetx_016": (9190136, 1602849792),
    "regnety_016": (11202430, 1612076160),
}


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
        counts=_COUNTS.get(name),
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
