from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models_zoo
from models_zoo import ModelZooError, check, get_spec, list_specs, suggest
from models_zoo.catalog.cnn import CNN_SPECS
from models_zoo.catalog.vit import VIT_PATCHES, VIT_SIZES, VIT_SPECS
from models_zoo.registry import ENTRY_POINT_GROUP, build_registry


def test_the_names_that_studies_use() -> None:
    names = {spec.name for spec in list_specs()}
    assert {f"vit_{size}_p{patch}" for size in VIT_SIZES for patch in VIT_PATCHES} <= names
    assert {f"resnet{n}" for n in (18, 34, 50, 101, 152)} <= names
    assert {f"vgg{n}{bn}" for n in (11, 13, 16, 19) for bn in ("", "_bn")} <= names
    assert {"densenet121", "mobilenetv3_large", "efficientnet_lite0", "convnext_tiny", "swin_tiny"} <= names
    assert {spec.family for spec in list_specs()} >= {"vit", "swin", "hybrid", "cnn"}


def test_exported_names_exist_and_are_documented() -> None:
    assert models_zoo.__all__ == sorted(models_zoo.__all__)
    assert all(getattr(models_zoo, name).__doc__ for name in models_zoo.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        models_zoo.nothing  # noqa: B018
    built = models_zoo.build("resnet18", num_classes=3, image_size=32, device="meta")
    assert isinstance(built.module, models_zoo.Classifier)


def test_importing_the_registry_loads_no_torch() -> None:
    code = (
        "import sys, models_zoo, models_zoo.table; models_zoo.check('vit_tiny_p32', 224); "
        "models_zoo.check('timm:resnet18', 64); models_zoo.table.model_rows(); "
        "sys.exit(int(any(m in sys.modules for m in ('torch', 'timm', 'torchvision', 'numpy'))))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("resent18", "resnet18"), ("vit_smal_p32", "vit_small_p32"), ("VGG16", "vgg16"), ("densnet121", "densenet121")],
)
def test_a_typo_gets_suggestions(typo: str, meant: str) -> None:
    assert suggest(typo)[0] == meant
    with pytest.raises(ModelZooError, match=f"Did you mean '{meant}'"):
        get_spec(typo)


def test_nothing_near_still_lists_what_is_allowed() -> None:
    with pytest.raises(ModelZooError, match="timm:NAME") as caught:
        get_spec("zzzzqqq")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "family", "patch"),
    [
        ("timm:vit_small_patch14_dinov2", "vit", 14),
        ("timm:vit_base_patch16_224.augreg_in1k", "vit", 16),
        ("timm:deit3_small_patch16_224", "vit", 16),
        ("timm:flexivit_small", "vit", 16),
        ("timm:eva02_tiny_patch14_224", "vit", 14),
        ("timm:swin_tiny_patch4_window7_224", "swin", None),
        ("timm:vit_small_r26_s32_224", "hybrid", None),
        ("timm:coatnet_0_rw_224", "hybrid", None),
        ("timm:resnet26", "cnn", None),
        ("timm:tf_efficientnetv2_s", "cnn", None),
        ("timm:seresnext50_32x4d", "cnn", None),
        ("torchvision:vit_b_16", "vit", 16),
        ("torchvision:wide_resnet50_2", "cnn", None),
        ("timm:mixer_b16_224", "other", None),
        ("python:my_package.models:tiny", "other", None),
    ],
)
def test_foreign_names(name: str, family: str, patch: int | None) -> None:
    spec = get_spec(name)
    assert (spec.name, spec.family, spec.patch) == (name, family, patch)


@pytest.mark.parametrize(
    "name", ["timm:", "timm:a b", "timm:../x", "torchvision:a/b", "python:module", "python:os;x:y", "other:x", ""]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ModelZooError):
        get_spec(name)


def test_sizes_that_a_patch_does_not_divide() -> None:
    assert check("vit_small_p64", 256).patch == 64
    with pytest.raises(ModelZooError, match="192 or 256"):
        check("vit_small_p64", 224)
    with pytest.raises(ModelZooError, match="Set image_size to 128"):
        check("vit_small_p128", 64)
    with pytest.raises(ModelZooError, match="252 or 266"):
        check("timm:vit_small_patch14_dinov2", 256)
    with pytest.raises(ModelZooError, match="at least 32"):
        check("resnet18", 8)


@settings(deadline=None)
@given(spec=st.sampled_from(list_specs()), size=st.integers(1, 2000))
def test_the_sizes_named_work_and_are_the_nearest(spec: models_zoo.ModelSpec, size: int) -> None:
    nearest = spec.nearest_sizes(size)
    assert all(spec.allows(other) for other in nearest)
    if spec.allows(size):
        assert nearest == (size,)
        return
    closest = min(abs(other - size) for other in nearest)
    assert not any(spec.allows(size + step) for step in range(-closest + 1, closest) if size + step > 0)


def test_filters() -> None:
    assert {spec.family for spec in list_specs(family="swin")} == {"swin"}
    assert [spec.name for spec in list_specs(text="RESNET-18")] == ["resnet18"]
    assert [spec.name for spec in list_specs(family="vit", text="tiny 128")] == ["vit_tiny_p128"]
    assert list_specs(text="no such thing") == []
    with pytest.raises(ModelZooError, match="Did you mean 'hybrid'"):
        list_specs(family="hybird")


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, ENTRY_POINT_GROUP)


def test_plugins_add_models_without_being_imported() -> None:
    registry = build_registry(VIT_SPECS, [point("mine", "no_such_package.models:mine")])
    assert registry["mine"].library == "python"
    assert registry["mine"].library_name == "no_such_package.models:mine"


def test_a_duplicate_name_is_an_error() -> None:
    with pytest.raises(ModelZooError, match="two models are called 'resnet18'"):
        build_registry(CNN_SPECS, [point("resnet18", "their.models:resnet18")])
    with pytest.raises(ModelZooError, match="two models are called 'mine'"):
        build_registry((), [point("mine", "a.b:c"), point("mine", "d.e:f")])


def test_a_plugin_that_names_no_function_is_an_error() -> None:
    with pytest.raises(ModelZooError, match=r"package\.module:function"):
        build_registry((), [point("mine", "their.models")])
