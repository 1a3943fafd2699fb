"""How a model meets the data: what of it learns, and whether the loop sees pixels or cached features."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from bench.results.settings import CellSettings
from bench.study.schema import Cell
from bench.training.device import synchronize
from bench.training.heads.features import HalfPrecisionBackbone, allocate_features, extract
from bench.training.heads.plan import Plan
from bench.training.inputs.batches import FeatureBatches, PixelBatches
from models_zoo.networks.classifier import Classifier, freeze_backbone

__all__ = ["freeze", "plan"]

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def freeze(cell: Cell, model: Classifier) -> None:
    """Freeze what the regime freezes, and give a frozen backbone the cell's precision."""
    if cell.regime != "frozen":
        return
    freeze_backbone(model)
    if cell.precision in _HALF:
        model.backbone = HalfPrecisionBackbone(model.backbone, _HALF[cell.precision])


def plan(
    cell: Cell,
    model: Classifier,
    train: PixelBatches,
    validation: PixelBatches,
    *,
    device: torch.device,
    inference_batch: int,
    folder: Path,
) -> Plan:
    """Pass the images through a frozen backbone once, where its features can be kept.

    model: after `freeze`. folder: where features lie that are too many for the memory.
    """
    if cell.regime != "frozen":
        return Plan(model, train, validation, None, CellSettings(cached_features=False))
    if not cell.train.cache_features or cell.train.mixes:
        settings = CellSettings(cached_features=False, backbone_precision=cell.precision)
        return Plan(model, train, validation, None, settings)
    started = time.perf_counter()
    views, width = cell.train.views, model.head.in_features
    learned, where = allocate_features((views, len(train.labels), width), device, folder / "features.bin")
    for view in range(views):
        augmented = cell.train.augment != "none" and (view > 0 or views == 1)
        extract(model.backbone, train, inference_batch, view + 1 if augmented else None, learned[view])
    checked = torch.empty((1, len(validation.labels), width), device=device)
    extract(model.backbone, validation, inference_batch, None, checked[0])
    synchronize(device)
    return Plan(
        model.head,
        FeatureBatches(learned, train.labels, device),
        FeatureBatches(checked, validation.labels, device),
        time.perf_counter() - started,
        CellSettings(cached_features=True, backbone_precision=cell.precision, views=views, features_in=where),
    )
