from __future__ import annotations

import json

import pytest

from reports.claims import answers
from reports.evidence import weigh
from reports.gather import gather

FAST_VIT = [
    ("vit_p16", "vit", 16, 9_000_000, 4.0),
    ("vit_p64", "vit", 64, 8_000_000, 4.0),
    ("cnn", "cnn", None, 90_000_000, 4.0),
]


def outcomes(run) -> dict[str, str]:
    gathered = gather([run])
    return {answer.claim: answer.outcome for answer in answers(gathered, weigh(gathered), lambda text: text)}


def change(run, label, **memory_or_timings):
    """Rewrite stored figures of one model's cells: ``peak_ram_mib`` or ``train_seconds``."""
    for path in run.glob("cells/*/result.json"):
        result = json.loads(path.read_text())
        if result["label"] == label:
            for part in ("memory", "timings"):
                result[part] |= {key: value for key, value in memory_or_timings.items() if key in result[part]}
            path.write_text(json.dumps(result))


@pytest.mark.parametrize(
    ("small", "large", "outcome"),
    [(500, 900, "supported"), (900, 500, "contradicted"), (900, 901, "not enough evidence")],
)
def test_ram_by_patch_is_told_from_pairs_that_differ_in_the_patch_alone(make_run, small, large, outcome):
    run = make_run(models=FAST_VIT, devices=("cpu",), images=80)
    change(run, "vit_p16", peak_ram_mib=small)
    change(run, "vit_p64", peak_ram_mib=large)
    assert outcomes(run)["A larger patch needs more RAM."] == outcome


@pytest.mark.parametrize(("seconds", "outcome"), [(1.0, "supported"), (1e6, "contradicted")])
def test_vits_against_the_time_of_the_best_cnn(make_run, seconds, outcome):
    run = make_run(models=FAST_VIT, devices=("cpu",), images=80)
    for label in ("vit_p16", "vit_p64"):
        change(run, label, train_seconds=seconds)
    assert outcomes(run)["ViTs reach the accuracy of CNNs in less time."] == outcome


def test_a_vit_that_the_test_places_below_does_not_count(make_run):
    models = [("vit_p16", "vit", 16, 9_000_000, 0.5), ("cnn", "cnn", None, 90_000_000, 6.0)]
    run = make_run(models=models, devices=("cpu",), images=240)
    change(run, "vit_p16", train_seconds=0.1)
    assert outcomes(run)["ViTs reach the accuracy of CNNs in less time."] == "contradicted"


def test_freezing_is_judged_on_pairs_of_regimes(make_run):
    run = make_run(models=FAST_VIT[:1], devices=("cpu",), regimes=("frozen", "finetune"), images=80)
    for path in run.glob("cells/*/result.json"):
        result = json.loads(path.read_text())
        result["timings"]["train_seconds"] = {"frozen": 10.0, "finetune": 80.0}[result["cell"]["regime"]]
        path.write_text(json.dumps(result))
    assert outcomes(run)["Freezing the backbone speeds up training."] == "supported"


def test_nothing_is_said_where_the_run_holds_nothing(make_run):
    assert outcomes(make_run(models=FAST_VIT[2:], devices=("cpu",), images=80)) == {}


def test_every_claim_is_answered_where_the_run_holds_something(make_run):
    run = make_run(models=FAST_VIT, devices=("cpu",), images=80)
    gathered = gather([run])
    found = answers(gathered, weigh(gathered), lambda text: text)
    assert len(found) == 10
    robust = next(answer for answer in found if "occlusion" in answer.claim)
    assert (robust.outcome, "occluded, shuffled or corrupted" in robust.figures) == ("not enough evidence", True)


def test_patches_are_told_from_names_as_timm_writes_them(make_run):
    models = [("small", "vit", 16, 9_000_000, 3.0), ("large", "vit", 32, 9_000_000, 3.0)]
    run = make_run(models=models, devices=("cpu",), images=80)
    for path in run.glob("cells/*/result.json"):
        result = json.loads(path.read_text())
        patch = result["model"]["patch"]
        result["cell"]["model"] = {"name": f"timm:vit_small_patch{patch}_224"}
        path.write_text(json.dumps(result))
    change(run, "small", peak_ram_mib=900)
    change(run, "large", peak_ram_mib=500)
    assert outcomes(run)["A larger patch needs more RAM."] == "contradicted"


@pytest.mark.parametrize(
    ("joules", "outcome"),
    [((80.0, 10.0), "supported"), ((10.0, 80.0), "contradicted"), ((10.0, None), "not enough evidence")],
)
def test_energy_of_a_result_on_both_devices(make_run, joules, outcome):
    run = make_run(models=FAST_VIT, images=80)
    for path in run.glob("cells/*/result.json"):
        result = json.loads(path.read_text())
        result["energy"]["joules"] = joules[result["cell"]["device"] == "cuda"]
        path.write_text(json.dumps(result))
    assert outcomes(run)["A result on a GPU takes less energy than on a CPU."] == outcome


def test_cost_of_a_result_on_both_devices(make_run):
    run = make_run(models=FAST_VIT, images=80)
    for path in run.glob("cells/*/result.json"):
        result = json.loads(path.read_text())
        result["timings"]["total_seconds"] = 60.0  # at 0.10 an hour on the CPU and 1.20 on the GPU
        path.write_text(json.dumps(result))
    assert outcomes(run)["A result on a GPU costs less than on a CPU."] == "contradicted"


@pytest.mark.parametrize(
    ("lost", "same", "outcome"),
    [(0, 0.99, "supported"), (-8, 0.95, "supported"), (40, 0.85, "contradicted"), (6, 0.9, "not enough evidence")],
)
def test_quantised_vits_are_judged_on_the_same_test_images(make_run, lost, same, outcome):
    run = make_run(models=FAST_VIT[:1], devices=("cpu",), images=320)
    for path in run.glob("cells/*/result.json"):
        result = json.loads(path.read_text())
        accuracy = result["metrics"]["accuracy"] - lost / 320
        result["profiles"].append({"backend": "int8", "accuracy": accuracy, "agreement": same})
        path.write_text(json.dumps(result))
    assert outcomes(run)["Low-bit quantised ViTs keep their accuracy."] == outcome
