"""All there is to tell of one model at one image size, as plain data.

``python -m models_zoo.summary NAME --image-size 256`` prints it as JSON, for a caller that must not import torch, and
``python -m models_zoo.summary --table NAME NAME ... --image-size 256`` parameters and multiply-adds of many.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from models_zoo.complexity import (
    Activations,
    count_flops,
    count_layers,
    count_parameters,
    count_tokens,
    measure_activations,
    training_bytes,
    working_bytes,
)
from models_zoo.errors import ModelZooError
from models_zoo.networks.builder import build
from models_zoo.registry import get_spec, list_specs

__all__ = ["BATCH_SIZES", "PRECISIONS", "MemoryEstimate", "ModelSummary", "describe", "measure_figures"]

BATCH_SIZES = (1, 8, 32, 128)
PRECISIONS = ("fp32", "bf16")
_MIB = 2**20


@dataclass(frozen=True)
class MemoryEstimate:
    """An estimate of training memory: weights, gradients, AdamW's state and activations, without the libraries."""

    precision: str
    """``fp32``, or ``bf16`` for mixed precision; fp16 takes the same."""
    batch_size: int
    train_all_mib: float
    """Every parameter learns."""
    frozen_mib: float
    """Only the head learns; of the frozen backbone, the largest layer's input and output are counted."""


@dataclass(frozen=True)
class ModelSummary:
    """One model at one image size."""

    name: str
    family: str
    library: str
    library_name: str
    description: str
    patch: int | None
    image_size: int
    num_classes: int
    num_features: int
    layers: int
    """Convolutions and linear layers."""
    tokens: int | None
    """Of a plain transformer, class token and registers included."""
    parameters: int
    parameters_by_part: dict[str, int]
    """``patch_projection``, ``tokens_and_positions``, ``blocks`` (all else of the backbone), ``head``."""
    macs: int
    """Multiply-adds of one forward pass over one image: what papers print as FLOPs."""
    flops: int
    """Floating-point operations, ``2 * macs``."""
    activation_mib: float
    """What one image's forward pass keeps for the backward one, float32, measured."""
    memory: tuple[MemoryEstimate, ...]
    default_weights: str | None


def describe(name: str, image_size: int | None = None, num_classes: int = 1000) -> ModelSummary:
    """Build ``name`` with random weights and measure it.

    Args:
        name: as ``models_zoo.get_spec`` takes it.
        image_size: side in pixels; None for the model's own.
        num_classes: of the head; 1000 as in published figures.

    Raises:
        ModelZooError: for an unknown model or a size that it cannot take.
    """
    spec = get_spec(name)
    size = image_size or spec.image_size
    built = build(name, num_classes=num_classes, image_size=size)
    module = built.module
    parts = count_parameters(module)
    cost = count_flops(module, size)
    activations = {precision: measure_activations(module, size, precision) for precision in PRECISIONS}
    memory = tuple(
        MemoryEstimate(
            precision=precision,
            batch_size=batch,
            train_all_mib=training_bytes(parts.total, parts.total, activations[precision], batch) / _MIB,
            frozen_mib=training_bytes(parts.total, parts.head, frozen, batch) / _MIB,
        )
        for precision in PRECISIONS
        for frozen in [Activations(per_image=working_bytes(module, size, precision), fixed=0)]
        for batch in BATCH_SIZES
    )
    return ModelSummary(
        name=spec.name,
        family=spec.family,
        library=spec.library,
        library_name=spec.library_name,
        description=spec.description,
        patch=spec.patch,
        image_size=size,
        num_classes=num_classes,
        num_features=built.num_features,
        layers=count_layers(module),
        tokens=count_tokens(module),
        parameters=parts.total,
        parameters_by_part={
            "patch_projection": parts.patch_projection,
            "tokens_and_positions": parts.stem - parts.patch_projection,
            "blocks": parts.backbone,
            "head": parts.head,
        },
        macs=cost.macs,
        flops=cost.flops,
        activation_mib=activations["fp32"].per_image / _MIB,
        memory=memory,
        default_weights=spec.default_weights,
    )


def measure_figures(name: str, num_classes: int = 1000, image_size: int | None = None) -> tuple[int, int]:
    """Return parameters and multiply-adds of ``name`` at a size (None: its own), on the meta device.

    Raises:
        ModelZooError: for an unknown model or a size that it cannot take.
    """
    size = image_size or get_spec(name).image_size
    module = build(name, num_classes=num_classes, image_size=size, device="meta").module
    return count_parameters(module).total, count_flops(module, size).macs


def _table(names: list[str], num_classes: int, image_size: int | None) -> dict[str, tuple[int, int] | None]:
    """Measure many models; None for one that cannot take the size."""
    figures: dict[str, tuple[int, int] | None] = {}
    for name in names:
        try:
            figures[name] = measure_figures(name, num_classes, image_size)
        except ModelZooError:
            figures[name] = None
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Print a card or a table as JSON, or the counts for ``catalog/``; 2 and a message for wrong input."""
    parser = argparse.ArgumentParser(prog="python -m models_zoo.summary", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--figures", action="store_true", help="print the counts that models_zoo/catalog holds")
    parser.add_argument("--table", action="store_true", help="parameters and multiply-adds alone, of many models")
    options = parser.parse_args(arguments)
    if options.figures:
        for spec in list_specs():
            if spec.library == "timm":
                parameters, macs = measure_figures(spec.name)
                print(f'    "{spec.name}": ({parameters}, {macs}),')
        return 0
    try:
        if options.table:
            print(json.dumps(_table(options.names, options.classes, options.image_size)))
            return 0
        if len(options.names) != 1:
            raise ModelZooError("name one model; `patchbench models` lists them.")
        print(json.dumps(asdict(describe(options.names[0], options.image_size, options.classes))))
    except ModelZooError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
