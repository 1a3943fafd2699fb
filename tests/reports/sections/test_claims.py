from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.results.notice import Notice
from bench.results.run import Run
from reports.inputs.load import load_report_data
from reports.inputs.significance import compute_significance
from reports.sections.claims import ClaimResult, answers
from reports.text.i18n import ENGLISH
from tests.reports.run_folder import change_results, store_predicted

Json = dict[str, Any]
FAST_VIT = [
    ("vit_p16", "vit", 16, 9_000_000, 4.0),
    ("vit_p64", "vit", 64, 8_000_000, 4.0),
    ("cnn", "cnn", None, 90_000_000, 4.0),
]


def answered(*runs: Path) -> dict[str, ClaimResult]:
    data = load_report_data(runs)
    return {answer.claim: answer for answer in answers(data, compute_significance(data), ENGLISH)}


def outcomes(*runs: Path) -> dict[str, str]:
    return {claim: answer.outcome for claim, answer in answered(*runs).items()}


def rewrite(run: Path, change_of: Callable[[Json], Json]) -> None:
    """Store ``change_of(result)`` in place of every cell's result."""
    change_results(run, lambda result: result.update(change_of(result)))


def change(run: Path, label: str, **memory_or_timings: float) -> None:
    """Rewrite stored figures of one model's cells: ``peak_ram_mib`` or ``train_seconds``."""

    def edit(result: Json) -> None:
        for part in ("memory", "timings"):
            known = {key: value for key, value in memory_or_timings.items() if key in result[part]}
            result[part] |= known if result["label"] == label else {}

    change_results(run, edit)


@pytest.mark.parametrize(
    ("small", "large", "outcome"),
    [(500, 900, "supported"), (900, 500, "contradicted"), (900, 901, "not enough evidence")],
)
def test_ram_by_patch_is_read_from_pairs_that_differ_in_the_patch_alone(
    make_run: Callable[..., Path], small: int, large: int, outcome: str
) -> None:
    run = make_run(models=FAST_VIT, devices=("cpu",), images=80)
    change(run, "vit_p16", peak_ram_mib=small)
    change(run, "vit_p64", peak_ram_mib=large)
    assert outcomes(run)["A larger patch needs more RAM."] == outcome


@pytest.mark.parametrize(("seconds", "outcome"), [(1.0, "supported"), (1e6, "contradicted")])
def test_vits_against_the_time_of_the_best_cnn(make_run: Callable[..., Path], seconds: float, outcome: str) -> None:
    run = make_run(models=FAST_VIT, devices=("cpu",), images=80)
    for label in ("vit_p16", "vit_p64"):
        change(run, label, train_seconds=seconds)
    assert outcomes(run)["ViTs reach the accuracy of CNNs in less time."] == outcome


def test_a_vit_that_the_test_places_below_does_not_count(make_run: Callable[..., Path]) -> None:
    models = [("vit_p16", "vit", 16, 9_000_000, 0.5), ("cnn", "cnn", None, 90_000_000, 6.0)]
    run = make_run(models=models, devices=("cpu",), images=240)
    change(run, "vit_p16", train_seconds=0.1)
    assert outcomes(run)["ViTs reach the accuracy of CNNs in less time."] == "contradicted"


def test_freezing_is_decided_on_pairs_of_regimes(make_run: Callable[..., Path]) -> None:
    run = make_run(models=FAST_VIT[:1], devices=("cpu",), regimes=("frozen", "finetune"), images=80)
    seconds = {"frozen": 10.0, "finetune": 80.0}
    change_results(run, lambda result: result["timings"].update(train_seconds=seconds[result["cell"]["regime"]]))
    assert outcomes(run)["Freezing the backbone speeds up training."] == "supported"


def test_nothing_is_claimed_where_the_run_holds_nothing(make_run: Callable[..., Path]) -> None:
    assert outcomes(make_run(models=FAST_VIT[2:], devices=("cpu",), images=80)) == {}


def test_every_claim_is_answered_where_the_run_holds_something(make_run: Callable[..., Path]) -> None:
    run = make_run(models=FAST_VIT, devices=("cpu",), images=80)
    data = load_report_data([run])
    found = answers(data, compute_significance(data), ENGLISH)
    assert len(found) == 10
    robust = next(answer for answer in found if "occlusion" in answer.claim)
    assert (robust.outcome, "occluded, shuffled or corrupted" in robust.figures) == ("not enough evidence", True)


def test_patches_are_read_from_names_as_timm_writes_them(make_run: Callable[..., Path]) -> None:
    models = [("small", "vit", 16, 9_000_000, 3.0), ("large", "vit", 32, 9_000_000, 3.0)]
    run = make_run(models=models, devices=("cpu",), images=80)
    name = "timm:vit_small_patch{}_224"
    change_results(run, lambda result: result["cell"]["model"].update(name=name.format(result["model"]["patch"])))
    change(run, "small", peak_ram_mib=900)
    change(run, "large", peak_ram_mib=500)
    assert outcomes(run)["A larger patch needs more RAM."] == "contradicted"


@pytest.mark.parametrize(
    ("joules", "outcome"),
    [((80.0, 10.0), "supported"), ((10.0, 80.0), "contradicted"), ((10.0, None), "not enough evidence")],
)
def test_energy_of_a_result_on_both_devices(
    make_run: Callable[..., Path], joules: tuple[float, float | None], outcome: str
) -> None:
    run = make_run(models=FAST_VIT, images=80)
    rewrite(run, lambda result: {"energy": {"joules": joules[result["cell"]["device"] == "cuda"]}})
    assert outcomes(run)["A result on a GPU takes less energy than on a CPU."] == outcome


def test_energy_without_the_processor_is_not_compared(make_run: Callable[..., Path]) -> None:
    run = make_run(models=FAST_VIT, images=80)
    missing = {"cpu": None, "cuda": Notice.of("no_rapl").model_dump()}
    rewrite(run, lambda result: result | {"energy": {"joules": 9.0, "not_measured": missing[result["cell"]["device"]]}})
    assert "lacks what this needs" in answered(run)["A result on a GPU takes less energy than on a CPU."].figures


def test_devices_are_compared_where_training_was_the_same(make_run: Callable[..., Path]) -> None:
    runs = [make_run(device, models=FAST_VIT, devices=(device,), images=80) for device in ("cpu", "cuda")]
    claim = "A GPU trains faster than a CPU."
    assert outcomes(*runs)[claim] == "supported"
    for run, epochs in zip(runs, (20, 2), strict=True):
        rewrite(run, trained_for(epochs))
    assert "lacks what this needs" in answered(*runs)[claim].figures


def trained_for(epochs: int) -> Callable[[Json], Json]:
    return lambda result: result | {"cell": result["cell"] | {"train": {"epochs": epochs}}}


def test_cost_of_a_result_on_both_devices(make_run: Callable[..., Path]) -> None:
    run = make_run(models=FAST_VIT, images=80)
    # at 0.10 an hour on the CPU and 1.20 on the GPU
    change_results(run, lambda result: result["timings"].update(total_seconds=60.0))
    assert outcomes(run)["A result on a GPU costs less than on a CPU."] == "contradicted"


@pytest.mark.parametrize(
    ("lost", "same", "outcome"),
    [
        (0, 1.0, "supported"),
        (-8, 0.95, "supported"),
        (0, 0.9, "not enough evidence"),
        (3, 0.99, "not enough evidence"),
        (40, 0.85, "contradicted"),
        (6, 0.9, "not enough evidence"),
    ],
)
def test_quantized_vits_are_judged_on_the_same_test_images(
    make_run: Callable[..., Path], lost: int, same: float, outcome: str
) -> None:
    run = make_run(models=FAST_VIT[:1], devices=("cpu",), images=320)
    rewrite(run, lambda result: quantized(result, lost / 320, same))
    assert outcomes(run)["Low-bit quantized ViTs keep their accuracy."] == outcome


def quantized(result: Json, lost: float, same: float) -> Json:
    profile = {"backend": "int8", "accuracy": result["metrics"]["accuracy"] - lost, "agreement": same}
    return result | {"profiles": [*result["profiles"], profile]}


@pytest.mark.parametrize("full", [0.29, 0.57, 0.58, 0.93, 0.97])
def test_a_loss_of_a_point_is_not_more_than_a_point(make_run: Callable[..., Path], full: float) -> None:
    """10 of 1,000 are 0.01, or a little less or more in floating point, by what the accuracy is."""
    run = make_run(models=FAST_VIT[:1], devices=("cpu",), images=1000, thumbnails=False)
    labels = Run(run).test_images.labels
    wrong = np.arange(1000) >= round(full * 1000)
    store_predicted(run, next(run.glob("cells/*")).name, np.where(wrong, (labels + 1) % 8, labels))
    rewrite(run, lambda result: quantized(result, 0.01, 0.99))
    assert outcomes(run)["Low-bit quantized ViTs keep their accuracy."] == "not enough evidence"


def test_models_in_8_bits_are_counted_once_and_blind_ones_not_at_all(make_run: Callable[..., Path]) -> None:
    run = make_run(models=FAST_VIT[:2], devices=("cpu",), regimes=("frozen", "finetune"), images=320)
    rewrite(run, lambda result: quantized(result, 0.0, 1.0))
    claim = "Low-bit quantized ViTs keep their accuracy."
    assert answered(run)[claim].figures.startswith("2 ViTs in 8 bits")
    rewrite(run, lambda result: blind(result) if result["label"] == "vit_p16" else result)
    assert answered(run)[claim].figures.startswith("2 ViTs in 8 bits")
    rewrite(run, lambda result: result | {"profiles": result["profiles"] if is_frozen(result) else []})
    assert answered(run)[claim].figures.startswith("1 ViTs in 8 bits")


def is_frozen(result: Json) -> bool:
    return bool(result["cell"]["regime"] == "frozen")


def blind(result: Json) -> Json:
    """With random weights."""
    return result | {"model": result["model"] | {"weights": {"source": "none"}}}


def test_overfitting_of_a_blind_model_says_nothing(make_run: Callable[..., Path]) -> None:
    run = make_run(models=FAST_VIT[:1], devices=("cpu",), regimes=("frozen", "finetune"), images=80)
    claim = "Freezing the backbone guards against overfitting."
    assert answered(run)[claim].figures.startswith("Gap between")
    rewrite(run, blind)
    assert "lacks what this needs" in answered(run)[claim].figures


@pytest.mark.parametrize(
    "differing",
    [{"image_size": {16: 224, 64: 384}}, {"feature_blocks": {16: 1, 64: 4}}, {"pooling": {16: "cls", 64: "mean"}}],
)
def test_vits_that_differ_in_more_than_the_patch_are_no_pair(
    make_run: Callable[..., Path], differing: dict[str, dict[int, object]]
) -> None:
    run = make_run(models=FAST_VIT, devices=("cpu",), images=80)
    (key, values), *_ = differing.items()

    def built(result: Json) -> Json:
        model = {"name": result["label"]}
        if result["model"]["patch"]:
            model[key] = values[result["model"]["patch"]]
        return result | {"cell": result["cell"] | {"model": model}}

    rewrite(run, built)
    assert "lacks what this needs" in answered(run)["A larger patch needs more RAM."].figures


@pytest.mark.parametrize(
    ("small", "large", "is_pair"),
    [
        ("timm:vit_small_patch16_clip_224", "timm:vit_small_patch64_clip_384", False),
        ("timm:vit_small_patch16_clip_224", "timm:vit_small_patch64_clip_224", True),
        ("torchvision:vit_b_16", "torchvision:vit_b_64", True),
        ("torchvision:vit_b_16", "torchvision:vit_l_64", False),
    ],
)
def test_what_in_a_name_is_the_patch(make_run: Callable[..., Path], small: str, large: str, is_pair: bool) -> None:
    run = make_run(models=FAST_VIT, devices=("cpu",), images=80)
    names = {"vit_p16": small, "vit_p64": large, "cnn": "cnn"}
    rewrite(run, lambda result: result | {"cell": result["cell"] | {"model": {"name": names[result["label"]]}}})
    figures = answered(run)["A larger patch needs more RAM."].figures
    assert figures.startswith("1 pairs") == is_pair


def test_the_fastest_level_vit_is_timed_against_the_fastest_level_cnn(make_run: Callable[..., Path]) -> None:
    models = [*FAST_VIT[:1], ("cnn_a", "cnn", None, 9_000_000, 4.0), ("cnn_b", "cnn", None, 9_000_000, 4.0)]
    run = make_run(models=models, devices=("cpu",), images=80)
    quick, best = [entry.label for entry in reversed(load_report_data([run]).ok) if entry.group == "cnn"]
    for label, seconds in (("vit_p16", 10.0), (best, 100.0), (quick, 1.0)):
        change(run, label, train_seconds=seconds)
    found = answered(run)["ViTs reach the accuracy of CNNs in less time."]
    assert found.outcome == "contradicted"
    assert found.figures.endswith(f"vit_p16 10.0 s, {quick} 1.00 s.")


def test_times_and_memory_are_compared_within_a_regime(make_run: Callable[..., Path]) -> None:
    models = [FAST_VIT[0], ("cnn", "cnn", None, 9_000_000, 4.0)]
    run = make_run(models=models, devices=("cpu",), regimes=("frozen", "finetune"), images=80)
    factor = {"frozen": 1.0, "finetune": 100.0}

    def measured(result: Json) -> Json:
        times, is_vit = factor[result["cell"]["regime"]], result["label"] == "vit_p16"
        timings = result["timings"] | {"train_seconds": (20.0 if is_vit else 10.0) * times}
        memory = result["memory"] | {"peak_ram_mib": (60.0 if is_vit else 50.0) * times}
        return result | {"timings": timings, "memory": memory}

    rewrite(run, measured)
    found = answered(run)
    time = found["ViTs reach the accuracy of CNNs in less time."]
    assert time.outcome == "contradicted"
    assert "vit_p16 · frozen 20.0 s, cnn · frozen 10.0 s" in time.figures
    assert "vit_p16 · finetune 33 min 20 s, cnn · finetune 16 min 40 s" in time.figures
    ram = found["CNNs are compact and use less memory; ViTs are larger."].figures
    assert "Median peak RAM on cpu · frozen: ViT 60 MiB, CNN 50 MiB." in ram
    assert "Median peak RAM on cpu · finetune: ViT 5.86 GiB, CNN 4.88 GiB." in ram
