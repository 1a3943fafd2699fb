"""A run folder that the version before this one has written; GPU, rounds and a late failure were added by its code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.results.environment import Range
from bench.results.notice import Notice, verbatim
from bench.results.run import load_results
from bench.results.schema import CellResult, Status
from bench.results.table import to_frame

STORED = Path(__file__).parent / "data" / "version_1"
FROZEN, SCRATCH, LATE = "21727cf137e7", "624db3c78cfc", "3a4c72a7a980"


def _stored(cell_id: str) -> dict[str, object]:
    raw: dict[str, object] = json.loads((STORED / "cells" / cell_id / "result.json").read_text())
    return raw


def _result(cell_id: str) -> CellResult:
    result = load_results(STORED).result(cell_id)
    assert result is not None
    return result


def test_a_run_of_version_1_opens() -> None:
    run = load_results(STORED)
    assert [result.id for result in run.results()] == [FROZEN, *sorted((LATE, SCRATCH))]
    assert [cell.id for cell in run.plan()] == [FROZEN]
    assert run.study.name == "blood-cells-frozen"
    assert [line.epoch for line in run.history(FROZEN)] == [1, 2, 3]
    assert run.missing() == []


@pytest.mark.parametrize("cell_id", [FROZEN, SCRATCH, LATE])
def test_figures_and_the_cell_stay_what_they_were(cell_id: str) -> None:
    raw, result = _stored(cell_id), _result(cell_id)
    assert result.cell.id == result.id == raw["id"]
    now = json.loads(result.model_dump_json())
    for key in ("cell", "status", "metrics", "confusion", "best_epoch", "epochs", "timings", "started", "finished"):
        assert now[key] == raw[key], key
    assert CellResult.from_json(result.model_dump_json(), "here") == result
    frame = to_frame([result])
    assert frame["latency_p50_ms"].isna().all() == (cell_id != SCRATCH)


def test_no_fact_of_the_environment_is_lost() -> None:
    raw, found = json.loads((STORED / "environment.json").read_text()), load_results(STORED).environment
    assert found.cpu.clock_now_mhz == raw["cpu"]["clock_mhz"]["now"]
    assert found.cpu.instructions == tuple(raw["cpu"]["instructions"])
    assert found.energy == verbatim(raw["energy"])
    same = ("started", "patchbench", "python", "platform", "memory_gib", "packages", "variables")
    assert {key: getattr(found, key) for key in same} == {key: raw[key] for key in same}
    assert found.git is not None
    assert found.git.revision == raw["git"]["revision"]
    assert found.confinement.container == "docker"


def test_sentences_of_the_data_set_become_notices() -> None:
    raw, found = json.loads((STORED / "dataset.json").read_text()), load_results(STORED).dataset
    assert found.warnings == [verbatim(text) for text in raw["warnings"]]
    assert [entry.notice for entry in found.dropped] == [verbatim(entry["reason"]) for entry in raw["dropped"]]
    assert found.audit.unreadable[0].notice == verbatim(raw["audit"]["unreadable"][0]["reason"])
    assert found.card.license == raw["card"]["licence"] == "CC BY 4.0"
    assert found.card.unknown == tuple(verbatim(text) for text in raw["card"]["unknown"])
    assert (found.fingerprint, found.split_hash) == (raw["fingerprint"], raw["split_hash"])


def test_names_of_the_context_and_the_settings() -> None:
    frozen, scratch = _result(FROZEN), _result(SCRATCH)
    assert frozen.context.determinism is not None
    assert frozen.context.determinism.seed == 0
    assert frozen.settings.standardized is True
    assert frozen.settings.features_in == "memory"
    load = scratch.context.system_load
    assert load is not None
    assert (load.steal_fraction, load.cpu_throttled_seconds) == (0.0012, 0.0)
    assert load.gpu is not None
    assert load.gpu.clock_mhz == Range(lowest=585, highest=1590)
    assert load.gpu.memory_method == verbatim("the driver's account of the cell's processes")
    assert scratch.settings.attention_kernels == 1
    assert (scratch.settings.head_neighbors, scratch.settings.head_c) == (5, 0.3)
    assert (scratch.settings.head_lr, scratch.settings.head_candidates) == (0.01, 9)
    assert scratch.context.notices == (
        verbatim("warm-up: not steady after 40 passes"),
        Notice.of("model_not_kept", reason="shared tensors"),
        Notice.of("failed_in_profile", how="SIGSEGV"),
    )
    assert scratch.context.late_failure is not None


def test_the_inference_profile_and_its_rounds() -> None:
    result = _result(SCRATCH)
    eager, onnx = result.profiles
    assert eager.stopped == verbatim("a batch of 64 images does not fit in memory")
    assert eager.batches[0].unstable is not None
    assert eager.batches[0].rounds == (6, 6)
    assert onnx.not_measured is not None
    done, lost = result.rounds
    assert (done.system_load.steal_fraction, done.system_load.cpu_throttled_seconds) == (0.01, 0.5)
    assert lost.lost == verbatim("failed: no memory")
    assert result.inference.throughput_batch == 256


def test_a_failure_and_the_provenance_of_weights() -> None:
    late = _result(LATE)
    assert late.status is Status.TIMEOUT
    assert late.error is not None
    assert late.error.notice == verbatim("not done after the study's time_limit of 60 s")
    assert late.error.log_tail == "last words"
    weights = late.model.weights
    assert weights.normalization == "timm x"
    assert weights.patch_resampled is not None
    assert (weights.patch_resampled.before, weights.patch_resampled.after) == (16, 32)
    assert len(weights.notices) == 1
    assert weights.architecture_followed == {"init_values": 1e-5, "class_token": True, "act_layer": "GELU"}
    grid = _result(FROZEN).model.weights.position_grid
    assert grid is not None
    assert (grid.before, grid.after, grid.method) == (37, 14, "interpolation")


@pytest.mark.parametrize(
    ("exit_text", "expected"),
    [
        ("the inference profile was cut short: x", Notice.of("profile_cut_short", reason=verbatim("x"))),
        (
            "its process ended by code 3 after the result was written",
            Notice.of("failed_after_result", how="code 3"),
        ),
    ],
)
def test_what_failed_after_the_result_is_still_known(exit_text: str, expected: Notice) -> None:
    raw = {**_stored(FROZEN), "context": {"exit": exit_text}}
    result = CellResult.from_json(json.dumps(raw), "here")
    assert result.context.late_failure == expected


@pytest.mark.parametrize("broken", [{"model": [1]}, {"profiles": 5}, {"error": {"kind": "x"}}, {"settings": "none"}])
def test_a_damaged_file_of_version_1_is_one_message(broken: dict[str, object]) -> None:
    with pytest.raises(RunError, match=r"^runs/x is damaged \("):
        CellResult.from_json(json.dumps({**_stored(FROZEN), **broken}), "runs/x")
