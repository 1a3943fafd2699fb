"""A run folder as a study leaves it, with random predictions, for tests of the report. Nothing here is a result.

Every file is written by the models and writers that a real run uses, so that no test reads what no run stores.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import yaml
from PIL import Image

from bench.results.dataset import AuditFindings, DataCard, DatasetManifest, Dropped, DuplicateGroup, Split
from bench.results.environment import Clock, Confinement, Cpu, Environment, GitState, SystemLoad
from bench.results.files import write_atomic
from bench.results.history import EpochRecord, PassScores
from bench.results.inference import BatchTiming, InferenceProfile, InferenceSummary
from bench.results.notice import Notice, verbatim
from bench.results.plan import Plan, PlannedCell
from bench.results.predictions import write_predictions
from bench.results.run import Run
from bench.results.schema import CellResult, Energy, Failure, Memory, ModelFacts, Status, Timings
from bench.results.settings import CellContext, CellSettings, Determinism
from bench.results.stored import Stored
from bench.results.thumbnails import write_thumbnails
from bench.stats.metrics import confusion_matrix, summary
from bench.study.schema import Cell, ModelEntry, Study

Model = tuple[str, str, int | None, int, float]
"""Label, family, patch, parameters, skill."""

HOSTILE = ["<script>alert(1)</script>", "a\"b'c & d", "glóbulo rojo", "$\\frac{1}{0}$ {{ 7*7 }}", "血小板"]
CLASSES = ["basophil", "eosinophil", "erythroblast", *HOSTILE]
MODELS: list[Model] = [
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
BAD: dict[tuple[str, str], tuple[str, Notice]] = {
    ("vit_base_p32", "cpu"): ("timeout", Notice.of("time_limit", seconds=21_600.0)),
    ("vgg16", "cuda"): ("out_of_memory", Notice.of("memory_limit", mib=12_112.0, used=12_902.0)),
    ("vgg16", "cpu"): ("failed", verbatim("<b>ValueError</b>: weights do not fit {{ config }}")),
    ("_underscored $x^$", "cuda"): ("diverged", Notice.of("diverged", reason="the loss of epoch 2 is not finite")),
}


@dataclass
class Recipe:
    """What the run holds."""

    models: Sequence[Model] = field(default_factory=lambda: list(MODELS))
    classes: list[str] = field(default_factory=lambda: list(CLASSES))
    devices: tuple[str, ...] = ("cpu", "cuda")
    regimes: tuple[Literal["scratch", "finetune", "frozen"], ...] = ("frozen",)
    seeds: tuple[int, ...] = (0,)
    images: int = 320
    epochs: int = 8
    name: str = "blood-cells"
    source: str = "pbc"
    bad: dict[tuple[str, str], tuple[str, Notice]] = field(default_factory=lambda: dict(BAD))
    """By label and device: how the cell ended, and why."""
    not_run: tuple[tuple[str, str], ...] = (("vgg11_bn", "cuda"),)
    thumbnails: bool = True
    fingerprint: str = "f" * 64


@dataclass
class TestSet:
    """The images that every cell is tested on."""

    __test__ = False

    names: list[str]
    labels: np.ndarray
    hardness: np.ndarray


def build_run(folder: Path, recipe: Recipe | None = None) -> Path:
    """Write a run folder and return it."""
    recipe = recipe or Recipe()
    classes = len(recipe.classes)
    names = [f"{recipe.classes[i % classes]}/{i:05d}.jpg" for i in range(recipe.images)]
    labels = np.array([i % classes for i in range(recipe.images)])
    test = TestSet(names, labels, np.random.default_rng(7).normal(0, 1, recipe.images))
    study, plan = _study(recipe), []
    grid = [
        (model, regime, device, seed)
        for model in recipe.models
        for regime in recipe.regimes
        for device in recipe.devices
        for seed in recipe.seeds
    ]
    for number, (model, regime, device, seed) in enumerate(grid):
        cell = Cell(
            model=ModelEntry(name=model[0], weights="default", image_size=224), regime=regime, device=device,
            precision="fp32", seed=seed, train=study.train, fingerprint=recipe.fingerprint, split_hash="5" * 64,
        )  # fmt: skip
        cell_id = f"{number:012x}"
        plan.append(
            PlannedCell(id=cell_id, label=model[0], model=model[0], family=model[1], regime=regime, device=device,
                        precision="fp32", seed=seed)
        )  # fmt: skip
        if (model[0], device) not in recipe.not_run:
            _write_cell(folder / "cells" / cell_id, recipe, model, cell, test)
    _write_model(folder / "plan.json", Plan(cells=tuple(plan)))
    _write_model(folder / "environment.json", _environment())
    _write_model(folder / "dataset.json", _manifest(recipe, test))
    write_study(folder, study)
    if recipe.thumbnails:
        jpegs = [_jpeg(index, int(label)) for index, label in enumerate(labels)]
        write_thumbnails(folder / "thumbnails.parquet", names, [recipe.classes[label] for label in labels], jpegs)
    return folder


def _write_model(path: Path, model: Stored) -> None:
    write_atomic(path, model.model_dump_json(indent=1))


def write_study(folder: Path, study: Study) -> None:
    """Write study.yaml as a run does."""
    write_atomic(folder / "study.yaml", yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False))


M = TypeVar("M", bound=Stored)


def change_stored(path: Path, kind: type[M], edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the fields of a stored model in place and store it again, if it is still one that a run can store."""
    fields = kind.model_validate_json(path.read_text(encoding="utf-8")).model_dump(mode="json")
    edit(fields)
    _write_model(path, kind.model_validate(fields))


def change_results(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit every stored result of a run in place."""
    for path in sorted(run.glob("cells/*/result.json")):
        change_stored(path, CellResult, edit)


def store_predicted(run: Path, cell: str, predicted: np.ndarray) -> None:
    """Have a cell predict these classes of the test images with certainty, and store the scores that this gives."""
    tested = Run(run).test_images
    probabilities = np.eye(len(tested.classes), dtype=np.float32)[predicted]
    write_predictions(
        run / "cells" / cell / "predictions.parquet", tested.names, tested.labels, probabilities, tested.classes
    )
    scores = {
        "metrics": summary(tested.labels, probabilities),
        "confusion": confusion_matrix(tested.labels, predicted, len(tested.classes)).tolist(),
    }
    change_stored(run / "cells" / cell / "result.json", CellResult, lambda result: result.update(scores))


def _write_cell(folder: Path, recipe: Recipe, model: Model, cell: Cell, test: TestSet) -> None:
    rng = np.random.default_rng([recipe.models.index(model), cell.seed, len(cell.regime)])
    status, why = recipe.bad.get((model[0], cell.device), ("ok", None))
    if why is None:
        result = _result(recipe, model, cell, folder, test, rng)
    else:
        failure = Failure(kind=status, notice=why)
        result = CellResult(**_facts(model, cell, folder.name), status=Status(status), error=failure)
    _write_model(folder / "result.json", result)
    write_history(folder, _history(recipe.epochs if why is None else 2, model[4], rng))


def write_history(cell: Path, epochs: list[EpochRecord]) -> None:
    """Write the finished epochs of a cell, a line each."""
    write_atomic(cell / "history.jsonl", "".join(f"{epoch.model_dump_json()}\n" for epoch in epochs))


def _facts(model: Model, cell: Cell, cell_id: str) -> dict[str, Any]:
    """What a result holds however the cell ended."""
    label, family, patch, parameters, _skill = model
    is_cpu = cell.device == "cpu"
    return {
        "id": cell_id,
        "cell": cell,
        "label": label,
        "model": ModelFacts(
            family=family, patch=patch, parameters=parameters, trainable_parameters=3080, flops=parameters * 90,
            image_size=224,
        ),
        "context": CellContext(
            device_name=None if is_cpu else "NVIDIA T4", threads=2, torch="2.9.0",
            determinism=Determinism(
                seed=cell.seed, deterministic_algorithms="warn_only", cudnn_benchmark=False, tf32=False
            ),
            system_load=SystemLoad(other_cores=0.01),
        ),
        "price_per_hour": 0.1 if is_cpu else 1.2,
        "energy": Energy(not_measured=Notice.of("no_rapl")),
    }  # fmt: skip


def _result(
    recipe: Recipe, model: Model, cell: Cell, folder: Path, test: TestSet, rng: np.random.Generator
) -> CellResult:
    classes = len(recipe.classes)
    logits = rng.normal(0, 1.2, (len(test.labels), classes))
    logits[np.arange(len(test.labels)), test.labels] += model[4] - test.hardness
    probabilities = np.exp(logits * 1.6)
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    write_predictions(folder / "predictions.parquet", test.names, test.labels, probabilities, recipe.classes)
    matrix = confusion_matrix(test.labels, probabilities.argmax(axis=1), classes)
    return CellResult(
        **_facts(model, cell, folder.name),
        status=Status.OK,
        metrics=summary(test.labels, probabilities),
        confusion=tuple(tuple(int(n) for n in row) for row in matrix),
        best_epoch=max(1, recipe.epochs - 1),
        epochs=recipe.epochs,
        settings=CellSettings(batch_size=32, cached_features=True),
        **_measured(recipe, model, cell, rng),
    )


def _measured(recipe: Recipe, model: Model, cell: Cell, rng: np.random.Generator) -> dict[str, Any]:
    """Times, memory and inference of a cell that is ok."""
    _label, _family, patch, parameters, _skill = model
    faster = 14.0 if cell.device == "cuda" else 1.0
    cost = parameters / 1e6 / (patch or 32) * 9
    epoch = tuple(float(x) for x in (3 + cost) / faster * (1 + 0.03 * rng.random(recipe.epochs)))
    peak = 620 + parameters / 1e5
    calls = tuple(0.004 * cost / faster * (1 + n / 50) for n in range(12))
    unstable = Notice.of("unstable_median", samples=3, rounds=1, share=0.02, warm=1)
    return {
        "timings": Timings(
            import_seconds=2.1, data_seconds=0.4, model_seconds=0.9, warmup_seconds=0.6,
            features_seconds=20 * cost / faster, train_seconds=sum(epoch) + 20 * cost / faster,
            evaluate_seconds=2 * cost / faster, total_seconds=sum(epoch) + 22 * cost / faster + 5,
            epoch_seconds=epoch, steps_timed=40,
            step_parts={"data": 0.2, "forward": 1.0, "backward": 2.0, "optimizer": 0.8},
        ),
        "memory": Memory(
            peak_ram_mib=peak, method=Notice.of("own_pages_sampled"), baseline_mib=480.0,
            peak_vram_mib=900.0 if faster > 1 else None, by_phase={"start": 480.0, "model": 560.0, "train": peak},
        ),
        "profiles": (
            InferenceProfile(backend="eager", cold_start_seconds=0.9, cold_start_batch=1, batches=(
                BatchTiming(batch_size=1, seconds=calls),
                BatchTiming(batch_size=16, seconds=(0.04 * cost / faster,) * 3, unstable=unstable),
            )),
            InferenceProfile(backend="onnx", not_measured=verbatim("onnxruntime <is not installed>")),
        ),
        "inference": InferenceSummary(
            latency_p50_ms=4 * cost / faster, latency_p99_ms=6 * cost / faster, throughput_img_s=90.0
        ),
    }  # fmt: skip


def _history(epochs: int, skill: float, rng: np.random.Generator) -> list[EpochRecord]:
    return [
        EpochRecord(
            epoch=epoch,
            lr=0.001,
            train=_scores(epoch, skill, 0.01, rng),
            validation=_scores(epoch, skill, -0.02, rng),
            train_seconds=3.2,
        )
        for epoch in range(1, epochs + 1)
    ]


def _scores(epoch: int, skill: float, gap: float, rng: np.random.Generator) -> PassScores:
    done = 1 - math.exp(-epoch / 2.5)
    level = float(np.clip(0.15 + 0.2 * skill * done + gap + rng.normal(0, 0.008), 0.02, 0.995))
    return PassScores(loss=2.1 * (1 - level), accuracy=level, balanced_accuracy=level - 0.01, kappa=level - 0.03)


def _study(recipe: Recipe) -> Study:
    return Study.model_validate({
        "name": recipe.name,
        "dataset": {"source": recipe.source},
        "split": {"test": 0.2, "validation": 0.1, "seed": 0},
        "models": list(dict.fromkeys(model[0] for model in recipe.models)),
        "regimes": recipe.regimes,
        "devices": recipe.devices,
        "precisions": ["fp32"],
        "seeds": recipe.seeds,
        "train": {"epochs": recipe.epochs, "batch_size": 32, "optimizer": "adamw", "lr": 0.001},
        "prices": {"cpu": 0.1, "cuda": 1.2},
        "published": [
            {"model": "ViT patch 32 <i>", "device": "GPU (Colab)", "images": 17092, "accuracy": 0.9684,
             "seconds": 3793.488, "source": "Borit et al. 2024", "note": "another split"},
            {"model": "ViT patch 128", "device": "CPU (Colab)", "images": 17092, "status": "killed",
             "source": "Borit et al. 2024", "note": "over 6 h and out of RAM"},
        ],
    })  # fmt: skip


def _environment() -> Environment:
    return Environment(
        command=("patchbench", "run", "blood-cells", "--data", "my images.zip", "--device", "cpu,cuda"),
        started="2026-01-01T00:00:00Z",
        patchbench="0.1.0",
        python="3.12.4",
        platform="Linux-6.8-x86_64",
        cpu=Cpu(model="A CPU <2 GHz>", cores=2, threads=2, usable=2),
        clock=Clock(governor="powersave <x>", turbo=True, smt=False),
        confinement=Confinement(container="docker", cpu_quota=1.5, memory_limit_mib=8192.0),
        energy=Notice.of("no_rapl"),
        memory_gib=12.7,
        packages={"torch": "2.9.0", "timm": "1.0.12", "numpy": "2.1.0", "abc": "1.0"},
        variables={"OMP_NUM_THREADS": "2"},
        git=GitState(revision="0123456789abcdef", dirty=True),
    )


def _manifest(recipe: Recipe, test: TestSet) -> DatasetManifest:
    images = recipe.images
    sizes: dict[Split, int] = {"test": images, "validation": images // 2}
    sizes["train"] = 5 * images - sum(sizes.values())
    splits = [split for split, size in sizes.items() for _ in range(size)]
    labels = test.labels.tolist() * 5
    counts = {name: dict.fromkeys(("train", "validation", "test"), 0) for name in recipe.classes}
    for label, split in zip(labels, splits, strict=True):
        counts[recipe.classes[label]][split] += 1
    source, synthetic = recipe.source, recipe.source == "synthetic"
    return DatasetManifest(
        fingerprint=recipe.fingerprint,
        split_hash="5" * 64,
        split_method="stratified",
        source=source,
        synthetic=synthetic,
        classes=recipe.classes,
        names=test.names * 5,
        labels=labels,
        splits=splits,
        counts=counts,
        audit=AuditFindings(
            images=1601, readable=1600, exact=(DuplicateGroup(names=("a", "b"), labels=("x", "x"), same_bytes=True),),
            near_pairs=2, would_leak=(("a", "b"),), sizes={"360x363": 1500, "360x360": 100}, modes={"RGB": 1600},
            imbalance=1.0,
        ),
        dropped=[Dropped(name="<img src=x>.jpg", notice=Notice.of("damaged_image", reason="cannot be decoded"))],
        leaks=[],
        card=DataCard(
            name="Blood cells <PBC>", source=source, license="CC BY 4.0", citation="Acevedo et al. 2020",
            synthetic=synthetic, unknown=(Notice.of("patient_unknown"),),
        ),
        warnings=[Notice.of("unreadable_files", count=1, name="<img src=x>.jpg", reason=Notice.of("file_empty"))],
        seconds=3.0,
    )  # fmt: skip


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
