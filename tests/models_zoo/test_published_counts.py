"""Parameters and multiply-adds against figures that others published, within 1 %.

torchvision prints multiply-adds ("GFLOPS" in its tables, ``_ops`` of its weights' metadata, at 224 pixels and 1000
classes), as fvcore and the papers do.
"""

from __future__ import annotations

from functools import cache

import pytest
from torchvision.models import get_model_weights

from models_zoo.complexity import count_flops, count_parameters
from models_zoo.networks.builder import build

TORCHVISION = "https://docs.pytorch.org/vision/stable/models.html"

# Model here, parameters in millions, multiply-adds in 10^9, and the source.
PUBLISHED = [
    ("vit_base_p32", 88.224, 4.41, TORCHVISION + " ViT_B_32"),
    ("vit_base_p16", 86.568, 17.56, TORCHVISION + " ViT_B_16"),
    ("vit_large_p16", 304.327, 61.55, TORCHVISION + " ViT_L_16"),
    ("resnet18", 11.690, 1.81, TORCHVISION + " ResNet18"),
    ("resnet50", 25.557, 4.09, TORCHVISION + " ResNet50 V2"),
    ("vgg16", 138.358, 15.47, TORCHVISION + " VGG16"),
    ("vgg11_bn", 132.869, 7.61, TORCHVISION + " VGG11_BN"),
    ("densenet121", 7.979, 2.83, TORCHVISION + " DenseNet121"),
    ("convnext_tiny", 28.6, 4.5, "Liu et al. 2022, arXiv 2201.03545, table 1: 28.6 M, 4.5 G"),
    ("convnext_small", 50.2, 8.7, "Liu et al. 2022, arXiv 2201.03545, table 1: 50 M, 8.7 G (README: 50.2 M)"),
    ("efficientnet_b0", 5.289, 0.386, TORCHVISION + " EfficientNet_B0, to three digits in its weights' metadata"),
    ("mobilenetv3_large", 5.483, 0.217, "Howard et al. 2019, arXiv 1905.02244, table 3: 5.4 M, 219 M; torchvision"),
    ("swin_tiny", 28.288, 4.49, TORCHVISION + " Swin_T"),
]
# The same from the installed library, to all its digits.
INSTALLED = {
    "vit_base_p32": "vit_b_32",
    "vit_base_p16": "vit_b_16",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "resnet152": "resnet152",
    "vgg11": "vgg11",
    "vgg13_bn": "vgg13_bn",
    "vgg16": "vgg16",
    "vgg19_bn": "vgg19_bn",
    "densenet121": "densenet121",
    "convnext_tiny": "convnext_tiny",
    "convnext_small": "convnext_small",
    "efficientnet_b0": "efficientnet_b0",
    "mobilenetv3_large": "mobilenet_v3_large",
    "mobilenetv3_small": "mobilenet_v3_small",
    "regnetx_016": "regnet_x_1_6gf",
    "regnety_016": "regnet_y_1_6gf",
    "swin_tiny": "swin_t",
    "swin_small": "swin_s",
}


@cache
def measured(name: str) -> tuple[int, int]:
    module = build(name, num_classes=1000, image_size=224, device="meta").module
    return count_parameters(module).total, count_flops(module, 224).macs


@pytest.mark.parametrize(("name", "millions", "giga", "source"), PUBLISHED)
def test_published(name: str, millions: float, giga: float, source: str) -> None:
    parameters, macs = measured(name)
    assert parameters / 1e6 == pytest.approx(millions, rel=0.01), source
    assert macs / 1e9 == pytest.approx(giga, rel=0.01), source


@pytest.mark.parametrize(("name", "torchvision_name"), INSTALLED.items())
def test_installed_torchvision(name: str, torchvision_name: str) -> None:
    meta = get_model_weights(torchvision_name).DEFAULT.meta
    if torchvision_name.startswith("vit"):  # DEFAULT of these is at 224 as well, but be sure
        assert meta["min_size"] == (224, 224)
    parameters, macs = measured(name)
    assert parameters == pytest.approx(meta["num_params"], rel=0.01)
    assert macs / 1e9 == pytest.approx(meta["_ops"], rel=0.01)
