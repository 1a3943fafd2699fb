"""The command line as a user meets it: real processes, their output and their exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from bench import CellResult, load_results

SMALL = [
    *("--set", "dataset.count=96", "--set", "dataset.image_size=32", "--set", "train.epochs=2"),
    *("--set", "models=[{name: vit_tiny_p16, label: vit}, {name: resnet18, label: cnn}]", "--set", "train.threads=1"),
    *("--set", "keep_models=true", "--set", "measure.seconds=0.1", "--set", "measure.batch_sizes=[1, 4]"),
]


def patchbench(*words: object, cwd: Path, wait: float = 600) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=wait, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("schema", "--out", "x" * 5000),
        ("run", "quickstart", "--dry-run", "--set", f"models.0.weights={'x' * 5000}.pth"),
        ("report", "x" * 5000),
    ],
    ids=lambda words: words[0],
)
def test_a_name_that_is_too_long_is_one_message(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = patchbench(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("patchbench: ")
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A small study that was run once: two models, on cpu and on a device that is not here."""
    folder = tmp_path_factory.mktemp("finished")
    done = patchbench("run", "quickstart", *SMALL, "--device", "cpu,xpu", "--out", "run", cwd=folder)
    return folder / "run", done


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of class folders with hostile names, a file that is no image, and images of many kinds."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    for kind, name in enumerate(("größe ä", "<script>alert(1)</script>", "a b")):
        (folder / name.replace("/", "∕")).mkdir(parents=True)
        for index in range(14):
            pixels = rng.integers(0, 120, (24, 30, 3), np.uint8)
            pixels[..., kind] = 200
            Image.fromarray(pixels).save(folder / name.replace("/", "∕") / f"{index}.png")
    first = folder / "a b"
    Image.fromarray(rng.integers(0, 255, (20, 20), np.uint8)).save(first / "gray.png")
    Image.new("CMYK", (20, 20), (0, 50, 100, 0)).save(first / "cmyk.jpg")
    Image.new("RGBA", (20, 20), (0, 50, 100, 7)).save(first / "rgba.png")
    Image.new("P", (20, 20), 3).save(first / "palette.png")
    Image.fromarray(rng.integers(0, 65535, (20, 20), np.uint16)).save(first / "sixteen.png")
    Image.new("RGB", (1, 1), (9, 9, 9)).save(first / "one.png")
    (first / "no_image.jpg").write_bytes(b"this is no image")
    return folder


def test_help_is_quick_and_names_the_commands(tmp_path: Path) -> None:
    done = patchbench("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in ("run", "report", "export", "models", "doctor", "data"):
        assert command in done.stdout


def test_the_command_line_imports_nothing_heavy() -> None:
    """It takes a tenth of a second to import then; with pydantic alone it is twice that."""
    code = "import sys, bench.cli.main; print(*{'numpy', 'psutil', 'pydantic', 'rich', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_cell_that_is_not_ok_makes_the_exit_code_1(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    run, done = finished
    assert done.returncode == 1, done.stdout + done.stderr
    statuses = {(r.label, r.cell.device): r.status.value for r in load_results(run).results()}
    assert statuses == {
        ("vit", "cpu"): "ok",
        ("cnn", "cpu"): "ok",
        ("vit", "xpu"): "unavailable",
        ("cnn", "xpu"): "unavailable",
    }
    assert "unavailable: this machine has no xpu device" in done.stdout
    assert done.stdout.strip().endswith(str(run.resolve() / "report.html"))
    assert "synthetic images" in done.stdout


def test_the_run_folder_holds_what_the_contract_says(finished: tuple[Path, object]) -> None:
    run, _ = finished
    for name in ("study.yaml", "environment.json", "dataset.json", "report.html"):
        assert (run / name).is_file()
    results = load_results(run).results()
    ok = [result for result in results if result.status.value == "ok"]
    for result in ok:
        folder = run / "cells" / result.id
        assert {"result.json", "history.jsonl", "predictions.parquet", "log.txt"} <= {p.name for p in folder.iterdir()}
        _is_the_tested_model(folder / "model.safetensors", result)
        steps = load_results(run).steps(result.id)
        assert steps is not None
        assert set(steps[:, 0]) == {1, 2}
        assert result.timings.steps_timed == np.isfinite(steps[:, 4]).sum()
        assert sum(result.timings.step_parts.values()) == pytest.approx(np.nansum(steps[:, 1:]), rel=1e-4)
        history = load_results(run).history(result.id)
        assert [line.epoch for line in history] == [1, 2]
        assert history[0].validation is not None
        for scores in (history[0].train, history[0].validation):
            assert {"loss", "accuracy", "balanced_accuracy", "kappa"} <= scores.model_fields_set
        predictions = load_results(run).predictions(result.id)
        assert predictions is not None
        manifest = json.loads((run / "dataset.json").read_text())
        test = [n for n, split in zip(manifest["names"], manifest["splits"], strict=True) if split == "test"]
        assert predictions.images == test
        np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-5)
        assert (predictions.predicted == predictions.labels).mean() == pytest.approx(result.metrics["accuracy"])
        assert result.memory.peak_ram_mib
        assert result.memory.peak_ram_mib > 100
        assert result.timings.total_seconds
        assert result.model.flops


def _is_the_tested_model(path: Path, result: CellResult) -> None:
    with safe_open(path, "numpy") as weights:
        facts = json.loads(weights.metadata()["patchbench"])
        learned = [n for n in list(weights.keys()) if "running" not in n and "num_batches" not in n]
        count = sum(weights.get_tensor(name).size for name in learned)
    assert facts["model"] == result.cell.model.name
    assert facts["image_size"] == 32
    assert facts["head"] == "linear"
    assert len(facts["classes"]) == 8
    assert count == result.model.parameters


def test_running_again_recomputes_nothing(finished: tuple[Path, object], tmp_path: Path) -> None:
    run = tmp_path / "run"  # its plan becomes that of one device
    shutil.copytree(finished[0], run)
    before = {p: p.stat().st_mtime_ns for p in run.glob("cells/*/predictions.parquet")}
    again = patchbench("run", "quickstart", *SMALL, "--device", "cpu", "--out", run, "--no-report", cwd=run.parent)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 done before, 0 to run" in again.stdout
    assert before == {p: p.stat().st_mtime_ns for p in run.glob("cells/*/predictions.parquet")}


def test_a_report_that_cannot_be_written_at_the_end_states_that_the_results_are_safe(
    finished: tuple[Path, object], tmp_path: Path
) -> None:
    run = tmp_path / "a run"
    shutil.copytree(finished[0], run)
    (run / "report.html").unlink()
    (run / "report.html").mkdir()
    done = patchbench("run", "quickstart", *SMALL, "--device", "cpu", "--out", run, cwd=tmp_path)
    assert done.returncode == 2
    assert f"All results are stored in {run}" in done.stderr
    assert f"patchbench report '{run}'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_of_another_study_is_refused(finished: tuple[Path, object]) -> None:
    run, _ = finished
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    for other in (["--set", "train.lr=0.5"], ["--set", "dataset.seed=7"], ["--set", "name=other"]):
        done = patchbench("run", "quickstart", *SMALL, *other, "--out", run, cwd=run.parent)
        assert done.returncode == 2
        assert "belongs to another study or data set" in done.stderr
        assert "--out" in done.stderr
    assert before == {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}


def test_export_as_csv_and_json(finished: tuple[Path, object]) -> None:
    run, _ = finished
    text = patchbench("export", run, "--format", "csv", cwd=run.parent)
    assert text.returncode == 0
    rows = list(csv.DictReader(io.StringIO(text.stdout)))
    assert len(rows) == 4
    wanted = (
        "cell,model,family,regime,device,precision,seed,status,accuracy,balanced_accuracy,kappa,train_seconds,"
        "evaluate_seconds,total_seconds,peak_ram_mib,peak_vram_mib,parameters,flops,latency_p50_ms,latency_p99_ms,"
        "throughput_img_s,energy_j,cost_usd"
    )
    assert text.stdout.splitlines()[0].startswith(wanted)
    absent = next(row for row in rows if row["status"] == "unavailable")
    assert absent["accuracy"] == absent["train_seconds"] == absent["energy_j"] == ""
    out = run.parent / "out.json"
    assert patchbench("export", run, "--format", "json", "--out", out, cwd=run.parent).returncode == 0
    assert len(json.loads(out.read_text())) == 4


def test_the_report_can_be_rendered_again(finished: tuple[Path, object]) -> None:
    run, _ = finished
    out = run.parent / "again.html"
    done = patchbench("report", run, "--out", out, cwd=run.parent)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == (run / "report.html").read_bytes()
    page = out.read_text(encoding="utf-8")
    assert "unavailable" in page
    shown = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)  # bundles name their formats' schemas
    assert "http://" not in shown.replace("http://www.w3.org", "")


def test_dry_run_lists_the_cells_and_makes_no_run(tmp_path: Path) -> None:
    done = patchbench("run", "quickstart", *SMALL, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 cells, 0 done, 2 to run" in done.stdout
    assert "vit · scratch · cpu · fp32 · seed 0: to run" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert "ids will be others" not in done.stdout
    done = patchbench("run", "quickstart", *SMALL, "--set", "train.batch_size=auto", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The ids will be others" in done.stdout


def test_dry_run_of_a_run_that_is_there_lists_what_is_left(finished: tuple[Path, object]) -> None:
    run, _ = finished
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in run.rglob("*") if p.is_file()}
    done = patchbench("run", "quickstart", *SMALL, "--device", "cpu,xpu", "--out", run, "--dry-run", cwd=run.parent)
    assert done.returncode == 0, done.stderr
    assert "vit · scratch · cpu · fp32 · seed 0: done (ok)" in done.stdout
    assert "vit · scratch · xpu · fp32 · seed 0: to run again (unavailable)" in done.stdout
    assert "4 cells, 2 done, 2 to run" in done.stdout
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in run.rglob("*") if p.is_file()}
    done = patchbench("run", "quickstart", *SMALL, "--set", "name=other", "--out", run, "--dry-run", cwd=run.parent)
    assert done.returncode == 2
    assert "belongs to another study" in done.stderr


def test_real_folders_with_hostile_names_and_odd_images(images: Path, tmp_path: Path) -> None:
    done = patchbench(
        *("run", "vit-vs-cnn", "--data", images, "--out", "run", "--set", "models=[resnet18]"),
        *("--set", "regimes=[scratch]", "--set", "dataset.image_size=32", "--set", "train.epochs=1"),
        *("--set", "split.test=0.3", "--set", "split.validation=0.3", "--set", "train.threads=1"),
        *("--set", "measure.inference=false"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = json.loads((tmp_path / "run" / "dataset.json").read_text())
    assert manifest["classes"] == sorted(["<script>alert(1)<∕script>", "a b", "größe ä"])
    assert any("no_image.jpg" in dropped["name"] for dropped in manifest["dropped"])
    assert "no_image.jpg" in done.stdout
    assert "<script>alert(1)" not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "quickstrat"], "Did you mean 'quickstart'"),
        (["run", "quickstart", "--set", "train.epoch=1"], "Did you mean 'epochs'"),
        (["run", "vit-vs-cnn", "--data", "nowhere"], "no such file or folder"),
        (["run", "quickstart", "--device", "gpu"], "devices.0"),
        (["run", "quickstart", "--device", ","], "names no device"),
        (["run", "quickstart", "--executor", "locl"], "unknown executor 'locl'; choose from local, inline"),
        (["run", "quickstart", "--executor", "locl", "--dry-run"], "Did you mean 'local'"),
        (["report", "nowhere"], "is not a run folder"),
        (["export", "nowhere", "--format", "csv"], "is not a run folder"),
        (["models", "resnet19"], "resnet18"),
        (["data", "audit", "nowhere"], "nowhere"),
        (["data", "fetch", "nothing"], "pbc"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(words: list[str], message: str, tmp_path: Path) -> None:
    done = patchbench(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("patchbench: ")


@pytest.mark.parametrize(
    "words", [["fly"], ["run"], ["run", "quickstart", "--retry", "maybe"], ["export", "x", "--format", "doc"]]
)
def test_usage_errors_have_exit_code_2(words: list[str], tmp_path: Path) -> None:
    done = patchbench(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def _one_class(folder: Path) -> None:
    (folder / "only").mkdir(parents=True)
    for index in range(9):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / "only" / f"{index}.png")


def _empty_class(folder: Path) -> None:
    _one_class(folder)
    (folder / "empty").mkdir()


def _too_few(folder: Path) -> None:
    for name in "ab":
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (9, 0, ord(name))).save(folder / name / "1.png")


def _short_zip(folder: Path) -> None:
    folder.with_suffix(".zip").write_bytes(b"PK\x03\x04 and then the download broke off")


@pytest.mark.parametrize(
    ("make", "suffix", "message"),
    [(_one_class, "", "class"), (_empty_class, "", "empty"), (_too_few, "", "image"), (_short_zip, ".zip", "zip")],
)
def test_unusable_data_is_reported_before_training(make: object, suffix: str, message: str, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path / "images")
    done = patchbench("run", "vit-vs-cnn", "--data", f"images{suffix}", cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A study that has begun to train a model."""
    command = [sys.executable, "-m", "bench", "run", "quickstart", *SMALL, "--set", "train.epochs=5000", "--out", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 480
    while not list(tmp_path.glob("run/cells/*/history.jsonl")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_ctrl_c_ends_cleanly_and_prints_how_to_resume(running: subprocess.Popen[str], tmp_path: Path) -> None:
    os.kill(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=240)
    assert running.returncode == 130
    assert err.count("same command again") == 1
    assert len(err.splitlines()) == 1
    assert "patchbench run quickstart" in err
    assert "Traceback" not in err
    [result] = load_results(tmp_path / "run").results()
    assert result.status.value == "interrupted"
    assert result.timings.total_seconds


def test_models_lists_and_filters(tmp_path: Path) -> None:
    done = patchbench("models", "--family", "vit", cwd=tmp_path)
    assert done.returncode == 0
    assert "vit_small_p128" in done.stdout
    assert "resnet18" not in done.stdout


def test_doctor_describes_the_machine(tmp_path: Path) -> None:
    done = patchbench("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cpu.model" in done.stdout
    assert "packages.torch" in done.stdout
