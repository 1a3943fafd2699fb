"""Exports for others: figures for papers, model cards, data-set metadata, an experiment tracker."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from PIL import Image

from bench.errors import DependencyError, RunError
from bench.results.notice import verbatim
from bench.results.run import load_results
from reports import export
from reports.exports import write_export
from tests.reports.run_folder import MODELS, Recipe, build_run

HOSTILE = "efficientnet_lite0 </script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    run = build_run(folder / "run", Recipe(models=[*MODELS[:3], *MODELS[6:8]], devices=("cpu",), images=80))
    assert f"files in {folder / 'all'}" in write_export(run, "figures", folder / "all").summary
    return folder / "all"


def test_every_figure_comes_in_three_forms(figures: Path) -> None:
    names = {path.stem for path in figures.iterdir()}
    assert {"scores", "phases", "patch-size", "learning-curves", "accuracy-against-train-seconds"} <= names
    assert sum(name.startswith("confusion-") for name in names) == 5
    assert {path.name for path in figures.iterdir()} == {f"{n}.{form}" for n in names for form in ("svg", "pdf", "png")}


def test_the_files_are_what_they_are_called(figures: Path) -> None:
    for path in figures.glob("*.svg"):
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert not root.findall(".//{http://www.w3.org/2000/svg}script")
        assert not root.findall(".//{http://www.w3.org/2000/svg}img")
    for path in figures.glob("*.pdf"):
        assert path.read_bytes().startswith(b"%PDF-")
    with Image.open(figures / "scores.png") as picture:
        width = float(ElementTree.parse(figures / "scores.svg").getroot().get("width", "0pt")[:-2])
        assert picture.width == pytest.approx(width / 72 * 300, rel=0.01)
        assert picture.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


def test_a_confusion_matrix_names_its_axes(figures: Path) -> None:
    text = next(figures.glob("confusion-*.svg")).read_text(encoding="utf-8")
    assert ">Predicted<" in text
    assert ">True<" in text
    assert "Said" not in text


def test_a_run_without_scores_has_nothing_to_draw(make_run: Callable[..., Path], tmp_path: Path) -> None:
    models, bad = [("resnet18", "cnn", None, 1_000_000, 1.0)], {("resnet18", "cpu"): ("failed", verbatim("x"))}
    run = make_run(models=models, bad=bad, devices=("cpu",), not_run=())
    with pytest.raises(RunError, match="nothing to draw"):
        write_export(run, "figures", tmp_path / "f")


def test_a_card_for_each_kept_model(full_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(full_run, run)
    with pytest.raises(RunError, match="keep_models=true"):
        write_export(run, "model-cards")
    (kept,) = (r for r in load_results(run).results() if r.label == HOSTILE and r.cell.device == "cpu")
    (run / "cells" / kept.id / "model.safetensors").touch()
    (path,) = map(Path, write_export(run, "model-cards").summary.splitlines())
    assert path == run / "cells" / kept.id / "README.md"
    text = path.read_text(encoding="utf-8")
    _empty, header, body = text.split("---\n", 2)
    facts = yaml.safe_load(header)
    read = ModelCard(text).data
    assert isinstance(read, ModelCardData), "the hub's own reader takes it"
    assert len(read.eval_results or []) == 3
    (entry,) = facts["model-index"]
    assert entry["name"] == HOSTILE
    (result,) = entry["results"]
    assert {m["type"]: m["value"] for m in result["metrics"]}["accuracy"] == pytest.approx(kept.metrics["accuracy"])
    assert "</script><img" not in body
    assert "| Accuracy | " in body
    assert "## Limits" in body
    assert "\\<script\\>alert(1)\\</script\\>" in body, "a class name is text"


def test_croissant_names_every_image_with_its_label_and_split(full_run: Path, tmp_path: Path) -> None:
    found = json.loads(export(full_run, "croissant", tmp_path / "c.json").read_text(encoding="utf-8"))
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    classes, images = found["recordSet"]
    dataset = load_results(full_run).dataset
    assert [row["classes/name"] for row in classes["data"]] == dataset.classes
    assert len(images["data"]) == len(dataset.names)
    first = images["data"][0]
    assert first["images/label"] == dataset.classes[dataset.labels[0]]
    assert first["images/split"] == dataset.splits[0]
    assert found["license"]


def test_characters_that_turn_the_direction_of_writing_are_seen(make_run: Callable[..., Path], tmp_path: Path) -> None:
    name = "left\u202eright\u2066"
    run = make_run(models=[(name, "cnn", None, 9_000_000, 3.0)], classes=["plain", name], devices=("cpu",), images=60,
                   bad={}, not_run=())  # fmt: skip
    (cell,) = run.glob("cells/*")
    (cell / "model.safetensors").touch()
    write_export(run, "figures", tmp_path)
    (card,) = write_export(run, "model-cards").summary.splitlines()
    croissant = export(run, "croissant", tmp_path / "c.json")
    written = [Path(card), croissant, *tmp_path.glob("*.svg")]
    assert len(written) > 4
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert not set(text) & {"\u202e", "\u2066"}, path.name
    assert "left\ufffdright" in Path(card).read_text(encoding="utf-8")
    rows = json.loads(croissant.read_text(encoding="utf-8"))["recordSet"][0]["data"]
    assert rows[1]["classes/name"] == name, "for a program the name is as it is"


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="mlflow is installed here")
def test_without_mlflow_the_message_says_how_to_install_it(full_run: Path) -> None:
    with pytest.raises(DependencyError, match=r"pip install 'patchbench\[mlflow\]'"):
        write_export(full_run, "mlflow")


def test_the_command_line_writes_each(full_run: Path, tmp_path: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bench", "export", str(full_run), *words],
            capture_output=True,
            text=True,
            check=False,
        )

    done = command("--format", "croissant", "--out", str(tmp_path / "c.json"))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "c.json").read_text())["@type"] == "sc:Dataset"
    missing = command("--format", "model-cards")
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
