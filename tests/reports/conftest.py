"""A run folder as a study leaves it, with random predictions, for tests of the report. Nothing here is a result."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from bench.results.schema import CellResult, Failure
from bench.results.writer import write_predictions
from bench.stats.metrics import confusion_matrix, summary
from tests.reports.browser import address, browser, page  # noqa: F401 - fixtures for the tests beside this file

METHOD = "sum of the proportional set size (PSS) of the process tree, sampled from outside"
HOSTILE = ["<script>alert(1)</script>", "a\"b'c & d", "glóbulo rojo", "$\\frac{1}{0}$ {{ 7*7 }}", "血小板"]
CLASSES = ["basophil", "eosinophil", "erythroblast", *HOSTILE]
MODELS = [  # label, family, patch, parameters, skill
    ("vit_small_p16", "vit", 16, 21_800_000, 4.1),
    ("vit_small_p32", "vit", 32, 22_500_000, 4.0),
    ("vit_small_p64", "vit", 64, 25_300_000, 3.1),
    ("vit_small_p128", "vit", 128, 36_200_000, 2.0),
    ("vit_tiny_p32", "vit", 32, 6_100_000, 3.2),
    ("vit_base_p32", "vit", 32, 88_200_000, 4.2),
    ("resnet18", "cnn", None, 11_200_000, 3.9),
    ("resnet50", "cnn", None, 23_500_000, 4.15),
    ("vgg11_bn", "cnn", None, 128_800_000, 3.3),
    ("vgg16", "cnn", None, 134_300_000, 3.0),
    ("efficientnet_lite0 </script><img src=x onerror=alert(2)>", "cnn", None, 3_400_000, 3.7),
    ("_underscored $x^$", "other", None, 1_200_000, 1.2),
]


@dataclass
class Recipe:
    """What the run holds."""

    models: list[tuple[str, str, int | None, int, float]] = field(default_factory=lambda: list(MODELS))
    classes: list[str] = field(default_factory=lambda: list(CLASSES))
    devices: tuple[str, ...] = ("cpu", "cuda")
    regimes: tuple[str, ...] = ("frozen",)
    seeds: tuple[int, ...] = (0,)
    images: int = 320
    epochs: int = 8
    name: str = "blood-cells"
    source: str = "pbc"
    bad: dict[tuple[str, str], tuple[str, str]] = field(
        default_factory=lambda: {
            ("vit_base_p32", "cpu"): ("timeout", "stopped after 6 h 00 min, the study's time limit for a cell"),
            ("vgg16", "cuda"): ("out_of_memory", "used 12.9 GB, more than the limit of 12.7 GB"),
            ("vgg16", "cpu"): ("failed", "<b>ValueError</b>: weights do not fit {{ config }}"),
            ("_underscored $x^$", "cuda"): ("diverged", "the loss of epoch 2 is not finite"),
        }
    )
    not_run: tuple[tuple[str, str], ...] = (("vgg11_bn", "cuda"),)
    thumbnails: bool = True
    fingerprint: str = "f" * 64


def build_run(folder: Path, recipe: Recipe | None = None) -> Path:
    """Write a run folder and return it."""
    recipe = recipe or Recipe()
    rng = np.random.default_rng(7)
    names = [f"{recipe.classes[i % len(recipe.classes)]}/{i:05d}.jpg" for i in range(recipe.images)]
    labels = np.array([i % len(recipe.classes) for i in range(recipe.images)])
    hardness = rng.normal(0, 1, recipe.images)
    folder.mkdir(parents=True, exist_ok=True)
    plan = []
    grid = [
        (model, regime, device, seed)
        for model in recipe.models
        for regime in recipe.regimes
        for device in recipe.devices
        for seed in recipe.seeds
    ]
    for number, (model, regime, device, seed) in enumerate(grid):
        cell = {"regime": regime, "device": device, "precision": "fp32", "seed": seed}
        cell_id = f"{number:012x}"
        plan.append({"id": cell_id, "label": model[0], **cell})
        if (model[0], device) in recipe.not_run:
            continue
        target = folder / "cells" / cell_id
        target.mkdir(parents=True)
        twin = np.random.default_rng([recipe.models.index(model), seed, len(regime)])
        status, why = recipe.bad.get((model[0], device), ("ok", ""))
        result = _result(recipe, model, cell_id, cell, status, why, labels, hardness, twin, target, names)
        (target / "result.json").write_text(result.model_dump_json())
        _history(target / "history.jsonl", recipe.epochs if status == "ok" else 2, model[4], twin)
    (folder / "plan.json").write_text(json.dumps({"cells": plan}))
    _surroundings(folder, recipe, names, labels)
    return folder


def _result(
    recipe: Recipe,
    model: tuple[str, str, int | None, int, float],
    cell_id: str,
    cell: dict[str, Any],
    status: str,
    why: str,
    labels: np.ndarray,
    hardness: np.ndarray,
    rng: np.random.Generator,
    target: Path,
    names: list[str],
) -> CellResult:
    label, family, patch, parameters, skill = model
    faster = 14.0 if cell["device"] == "cuda" else 1.0
    cost = parameters / 1e6 / (patch or 32) * 9
    facts: dict[str, Any] = {
        "id": cell_id,
        "cell": cell,
        "label": label,
        "status": status,
        "model": {"family": family, "patch": patch, "parameters": parameters, "trainable_parameters": 3080,
                  "flops": parameters * 90, "image_size": 224},
        "context": {"device": "NVIDIA T4" if faster > 1 else "2 cores"},
        "price_per_hour": 0.1 if faster == 1 else 1.2,
        "energy": {"not_measured": "no counter can be read"},
    }  # fmt: skip
    if status != "ok":
        return CellResult(**facts, error=Failure(kind=status, message=why))
    logits = rng.normal(0, 1.2, (len(labels), len(recipe.classes)))
    logits[np.arange(len(labels)), labels] += skill - hardness
    probabilities = np.exp(logits * 1.6)
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    write_predictions(target / "predictions.parquet", names, labels, probabilities, recipe.classes)
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), len(recipe.classes))
    epoch = tuple(float(x) for x in (3 + cost) / faster * (1 + 0.03 * rng.random(recipe.epochs)))
    return CellResult(
        **facts,
        metrics=summary(labels, probabilities),
        confusion=tuple(tuple(int(n) for n in row) for row in matrix),
        best_epoch=max(1, recipe.epochs - 1),
        epochs=recipe.epochs,
        timings={
            "import_seconds": 2.1, "data_seconds": 0.4, "model_seconds": 0.9, "warmup_seconds": 0.6,
            "features_seconds": 20 * cost / faster, "train_seconds": sum(epoch) + 20 * cost / faster,
            "evaluate_seconds": 2 * cost / faster, "total_seconds": sum(epoch) + 22 * cost / faster + 5,
            "epoch_seconds": epoch, "steps_timed": 40,
            "step_parts": {"data": 0.2, "forward": 1.0, "backward": 2.0, "optimizer": 0.8},
        },
        memory={"peak_ram_mib": 620 + parameters / 1e5, "method": METHOD,
                "baseline_mib": 480.0, "peak_vram_mib": 900.0 if faster > 1 else None,
                "by_phase": {"start": 480.0, "model": 560.0, "train": 620 + parameters / 1e5}},
        profiles=[
            {"backend": "eager", "cold_start_seconds": 0.9, "cold_start_batch": 1, "batches": [
                {"batch_size": 1, "seconds": [0.004 * cost / faster * (1 + n / 50) for n in range(12)]},
                {"batch_size": 16, "seconds": [0.04 * cost / faster] * 3, "unstable": "moved by 9 %"}]},
            {"backend": "onnx", "not_measured": "onnxruntime <is not installed>"},
        ],
        inference={"latency_p50_ms": 4 * cost / faster, "latency_p99_ms": 6 * cost / faster, "throughput_img_s": 90.0},
        settings={"feature_cache": True, "batch": 32},
    )  # fmt: skip


def _history(path: Path, epochs: int, skill: float, rng: np.random.Generator) -> None:
    lines = []
    for epoch in range(1, epochs + 1):
        done = 1 - np.exp(-epoch / 2.5)
        scores = {}
        for part, gap in (("train", 0.01), ("validation", -0.02)):
            level = float(np.clip(0.15 + 0.2 * skill * done + gap + rng.normal(0, 0.008), 0.02, 0.995))
            scores[part] = {"loss": 2.1 * (1 - level), "accuracy": level, "balanced_accuracy": level - 0.01,
                            "kappa": level - 0.03}  # fmt: skip
        lines.append(json.dumps({"epoch": epoch, "lr": 0.001, **scores, "train_seconds": 3.2}))
    path.write_text("\n".join(lines) + "\n")


def _surroundings(folder: Path, recipe: Recipe, names: list[str], labels: np.ndarray) -> None:
    per_class = recipe.images // len(recipe.classes)
    study = {
        "name": recipe.name,
        "dataset": {"source": recipe.source},
        "split": {"test": 0.2, "validation": 0.1, "seed": 0},
        "models": [{"name": model[0]} for model in recipe.models],
        "regimes": list(recipe.regimes),
        "devices": list(recipe.devices),
        "precisions": ["fp32"],
        "seeds": list(recipe.seeds),
        "train": {"epochs": recipe.epochs, "batch_size": 32, "optimizer": "adamw", "lr": 0.001, "threads": None},
        "prices": {"cpu": 0.1, "cuda": 1.2},
        "published": [
            {"model": "ViT patch 32 <i>", "device": "GPU (Colab)", "images": 17092, "accuracy": 0.9684,
             "balanced_accuracy": None, "kappa": None, "seconds": 3793.488, "source": "Borit et al. 2024",
             "note": "another split"},
            {"model": "ViT patch 128", "device": "CPU (Colab)", "images": 17092, "status": "killed",
             "source": "Borit et al. 2024", "note": "over 6 h and out of RAM"},
        ],
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(study, allow_unicode=True), encoding="utf-8")
    environment = {
        "command": ["patchbench", "run", "blood-cells", "--data", "my images.zip", "--device", "cpu,cuda"],
        "patchbench": "0.1.0",
        "python": "3.12.4",
        "platform": "Linux-6.8-x86_64",
        "cpu": {"model": "A CPU <2 GHz>", "cores": 2, "threads": 2},
        "memory_gib": 12.7,
        "packages": {"torch": "2.9.0", "timm": "1.0.12", "numpy": "2.1.0", "abc": "1.0"},
        "git": {"revision": "0123456789abcdef", "dirty": True},
        "threads": {"torch": 2},
        "determinism": {"algorithms": True},
        "started": "2026-01-01T00:00:00Z",
    }
    (folder / "environment.json").write_text(json.dumps(environment))
    dataset = {
        "schema_version": 1,
        "fingerprint": recipe.fingerprint,
        "split_hash": "5" * 64,
        "split_method": "stratified",
        "source": recipe.source,
        "synthetic": recipe.source == "synthetic",
        "classes": recipe.classes,
        "names": names * 5,
        "labels": labels.tolist() * 5,
        "splits": ["test"] * len(names) + ["validation"] * (len(names) // 2) + ["train"] * (len(names) * 7 // 2),
        "counts": {
            name: {"train": per_class * 3, "validation": per_class // 2, "test": per_class} for name in recipe.classes
        },
        "audit": {"images": 1601, "readable": 1600, "exact": [{"names": ["a", "b"]}], "near_pairs": 2,
                  "would_leak": [["a", "b"]], "sizes": {"360x363": 1500, "360x360": 100}, "modes": {"RGB": 1600},
                  "imbalance": 1.0},
        "dropped": [{"name": "<img src=x>.jpg", "reason": "cannot be decoded"}],
        "leaks": [],
        "card": {"name": "Blood cells <PBC>", "source": recipe.source, "license": "CC BY 4.0",
                 "citation": "Acevedo et al. 2020", "unknown": ["File names carry no patient id."]},
        "warnings": ["1 file could not be read and was left out"],
        "limited_from": None,
        "seconds": 3.0,
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(dataset))
    if recipe.thumbnails:
        table = pa.table({"name": names, "jpeg": [_jpeg(i, int(label)) for i, label in enumerate(labels)]})
        pq.write_table(table, folder / "thumbnails.parquet")


def _jpeg(index: int, label: int) -> bytes:
    rng = np.random.default_rng([index, label])
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    distance = np.hypot(x - rng.normal(0, 0.1), y * (1 + 0.05 * label))
    pixels = np.full((96, 96, 3), (250, 232, 215), dtype=np.float64)
    pixels[distance < 0.75] = (205, 180, 215 - 10 * label)
    pixels[distance < 0.3 + 0.04 * label] = (105, 60 + 10 * label, 150)
    pixels += rng.normal(0, 4, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Give what builds a run folder: keyword arguments are `Recipe`'s."""

    def make(folder: str = "run", **changes: Any) -> Path:
        return build_run(tmp_path / folder, Recipe(**changes))

    return make


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 12 models on two devices with every kind of status."""
    return build_run(tmp_path_factory.mktemp("full") / "run")
