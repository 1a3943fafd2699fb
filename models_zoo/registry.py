"""Every model by name: the built-in ones, those that plug-ins add, and any of timm, torchvision or the user.

Nothing here imports torch or a user's code: a name is checked as far as can be without, and the rest is
checked where the model is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from models_zoo.catalog.cnn import CNN_SPECS
from models_zoo.catalog.vit import VIT_SPECS
from models_zoo.errors import ModelZooError
from models_zoo.spec import Family, ModelSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["ENTRY_POINT_GROUP", "check", "get_spec", "list_specs", "suggest"]

ENTRY_POINT_GROUP = "patchbench.models"
_PREFIXES = ("timm:", "torchvision:", "python:")
_LIBRARY_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")
_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_HYBRID_NAME = re.compile(r"vit_\w*_r\d*_s\d+|coatnet|maxvit|coat_|levit")
_SWIN_NAME = re.compile(r"swin")
_VIT_NAME = re.compile(r"(vit|flexivit|deit3?|beit|beitv2|eva|eva02|vit_[bl]_\d+)(_|$)")
_CNN_NAME = re.compile(
    r"(tf_|tv_|wide_|se|res|ecares)*(resnet|resnext|vgg|densenet|mobilenet|efficientnet|convnext|regnet|inception"
    r"|googlenet|alexnet|squeezenet|mnasnet|shufflenet|xception|nfnet|dpn|dla|hrnet|ghostnet|repvgg|rexnet)"
)


def build_registry(builtin: Iterable[ModelSpec], plugins: Iterable[EntryPoint]) -> dict[str, ModelSpec]:
    """Join the built-in models with those of plug-ins, by name.

    A plug-in's entry point is ``name = "package.module:function"``; only its value is read here.

    Raises:
        ModelZooError: for a name that two of them take, or an entry point that names no function.
    """
    specs: dict[str, ModelSpec] = {}
    origin: dict[str, str] = {}
    added = [(spec, "models_zoo") for spec in builtin]
    added += [(_plugin_spec(point), point.dist.name if point.dist else point.value) for point in plugins]
    for spec, where in added:
        if spec.name in specs:
            raise ModelZooError(
                f"two models are called {spec.name!r}: one of {origin[spec.name]} and one of {where}. "
                f"Rename or uninstall the one that a plug-in adds (entry point group {ENTRY_POINT_GROUP!r})."
            )
        specs[spec.name], origin[spec.name] = spec, where
    return specs


def _plugin_spec(point: EntryPoint) -> ModelSpec:
    if not _IMPORT_PATH.fullmatch(point.value) or ":" in point.name:
        raise ModelZooError(
            f"the plug-in model {point.name!r} points at {point.value!r}: it must be "
            f"name = 'package.module:function' in the entry point group {ENTRY_POINT_GROUP!r}."
        )
    return ModelSpec(
        name=point.name,
        family="other",
        library="python",
        library_name=point.value,
        min_image_size=1,
        description=f"plug-in, {point.value}",
    )


@cache
def _registry() -> dict[str, ModelSpec]:
    # Imported at first use: it takes longer than all the rest of this package.
    from importlib.metadata import entry_points

    return build_registry((*VIT_SPECS, *CNN_SPECS), entry_points(group=ENTRY_POINT_GROUP))


def get_spec(name: str) -> ModelSpec:
    """Return what is known of the model ``name``.

    Args:
        name: a registered name; ``timm:NAME[.tag]``; ``torchvision:NAME``; or ``python:package.module:function``.

    Raises:
        ModelZooError: for a name that no registered model has, or that is not written as above.
    """
    registered = _registry().get(name)
    if registered is not None:
        return registered
    library, separator, rest = name.partition(":")
    if separator and f"{library}:" in _PREFIXES:
        return _foreign_spec(name, library, rest)
    raise ModelZooError(
        f"unknown model {name!r}.{_did_you_mean(suggest(name))} `patchbench models` lists them; any other is "
        f"timm:NAME, torchvision:NAME or python:package.module:function."
    )


def _foreign_spec(name: str, library: str, rest: str) -> ModelSpec:
    if library == "python":
        if not _IMPORT_PATH.fullmatch(rest):
            raise ModelZooError(f"{name!r} is not an import path: write python:package.module:function.")
        about = "a function of the user's"
        return ModelSpec(name, "other", "python", rest, min_image_size=1, description=about)
    if not _LIBRARY_NAME.fullmatch(rest):
        form = "timm:NAME or timm:NAME.TAG" if library == "timm" else "torchvision:NAME"
        raise ModelZooError(f"{name!r} is not a model name: write {form}, with letters, digits and underscores.")
    family = _guess_family(rest)
    patch = _guess_patch(rest) if family == "vit" else None
    return ModelSpec(
        name=name,
        family=family,
        library="timm" if library == "timm" else "torchvision",
        library_name=rest,
        patch=patch,
        image_multiple=patch or 1,
        min_image_size=patch or 1,
        description=f"{rest} of {library}",
    )


def _guess_family(library_name: str) -> Family:
    """Read the family from a name of timm or torchvision; where the name does not show it, ``other``."""
    if _HYBRID_NAME.match(library_name):
        return "hybrid"
    if _SWIN_NAME.match(library_name):
        return "swin"
    if _VIT_NAME.match(library_name):
        return "vit"
    return "cnn" if _CNN_NAME.match(library_name) else "other"


def _guess_patch(library_name: str) -> int | None:
    found = re.search(r"patch(\d+)", library_name) or re.fullmatch(r"vit_[blh]_(\d+)", library_name)
    if found:
        return int(found[1])
    return 16 if library_name.startswith("flexivit") else None


def list_specs(family: str | None = None, text: str | None = None) -> list[ModelSpec]:
    """Return the registered models in the registry's order, filtered.

    Args:
        family: keep this family alone.
        text: keep models whose name, description or library name holds every word of it, whatever the case.

    Raises:
        ModelZooError: for a family that no registered model has.
    """
    specs = list(_registry().values())
    families = sorted({spec.family for spec in specs})
    if family is not None and family not in families:
        near = _did_you_mean(get_close_matches(family, families, 1))
        raise ModelZooError(f"unknown family {family!r}; choose from {', '.join(families)}.{near}")
    words = (text or "").casefold().split()

    def wanted(spec: ModelSpec) -> bool:
        words_of = f"{spec.name} {spec.library_name} {spec.description}".casefold()
        return family in (None, spec.family) and all(word in words_of for word in words)

    return [spec for spec in specs if wanted(spec)]


def suggest(name: str) -> list[str]:
    """Return up to three registered names near ``name``, the nearest first."""
    return get_close_matches(name[:100].casefold(), list(_registry()), n=3, cutoff=0.6)


def _did_you_mean(names: list[str]) -> str:
    return f" Did you mean {' or '.join(repr(name) for name in names)}?" if names else ""


def check(name: str, image_size: int | None = None) -> ModelSpec:
    """Check a model's name and image size as far as can be without torch, and return its spec.

    Names of timm, torchvision and the user are checked for their form alone; whether the model exists is found
    where it is built. Sizes are checked as far as the name shows the patch.

    Raises:
        ModelZooError: naming the nearest models, or the nearest sizes that work.
    """
    spec = get_spec(name)
    if image_size is not None:
        spec.check_image_size(image_size)
    return spec
