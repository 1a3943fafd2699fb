"""All that is known of one model at one image size. Importing this is instant; measuring imports torch.

``python -m models_zoo.summary`` prints the counts that ``catalog/`` holds anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models_zoo.registry import get_spec, list_specs

if TYPE_CHECKING:
    from models_zoo.networks.classifier import Classifier

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

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> ModelSummary:
        """Read what ``dataclasses.asdict`` and JSON made of one."""
        return cls(**{**plain, "memory": tuple(MemoryEstimate(**row) for row in plain["memory"])})


def describe(name: str, image_size: int | None = None, num_classes: int = 1000) -> ModelSummary:
    """Build ``name`` with random weights and measure it.

    Args:
        name: as ``models_zoo.get_spec`` takes it.
        image_size: width and height in pixels; None for the model's own.
        num_classes: of the head; 1000 as in published figures.

    Raises:
        ModelZooError: for an unknown model or a size that it cannot take.
    """
    from models_zoo.complexity import count_flops, count_layers, count_parameters, count_tokens, measure_activations
    from models_zoo.networks.builder import build

    spec = get_spec(name)
    size = image_size or spec.image_size
    built = build(name, num_classes=num_classes, image_size=size)
    module = built.module
    parts = count_parameters(module)
    cost = count_flops(module, size)
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
        activation_mib=measure_activations(module, size, "fp32").per_image / _MIB,
        memory=_estimate_memory(module, size),
        default_weights=spec.default_weights,
    )


def _estimate_memory(module: Classifier, size: int) -> tuple[MemoryEstimate, ...]:
    """Training memory at each precision and batch size."""
    from models_zoo.complexity import (
        Activations,
        count_parameters,
        measure_activations,
        training_bytes,
        working_bytes,
    )

    parts = count_parameters(module)
    estimates = []
    for precision in PRECISIONS:
        all_learn = measure_activations(module, size, precision)
        frozen = Activations(per_image=working_bytes(module, size, precision), fixed=0)
        estimates += [
            MemoryEstimate(
                precision=precision,
                batch_size=batch,
                train_all_mib=training_bytes(parts.total, parts.total, all_learn, batch) / _MIB,
                frozen_mib=training_bytes(parts.total, parts.head, frozen, batch) / _MIB,
            )
            for batch in BATCH_SIZES
        ]
    return tuple(estimates)


def measure_figures(name: str, num_classes: int = 1000, image_size: int | None = None) -> tuple[int, int]:
    """Return parameters and multiply-adds of ``name`` at a size (None: its own), on the meta device.

    Raises:
        ModelZooError: for an unknown model or a size that it cannot take.
    """
    from models_zoo.complexity import count_flops, count_parameters
    from models_zoo.networks.builder import build

    size = image_size or get_spec(name).image_size
    module = build(name, num_classes=num_classes, image_size=size, device="meta").module
    return count_parameters(module).total, count_flops(module, size).macs


def main() -> None:
    """Print the counts that ``catalog/`` holds."""
    for spec in list_specs():
        if spec.library == "timm":
            parameters, macs = measure_figures(spec.name)
            print(f'    "{spec.name}": ({parameters}, {macs}),')


if __name__ == "__main__":
    main()
