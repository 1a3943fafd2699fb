"""``patchbench data`` in real processes: what it prints of hostile names, and the split that it writes."""

from __future__ import annotations

import csv
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from bench.cli.data import data_app
from bench.cli.dataset_options import _fields
from bench.data.sources import SOURCES


def _data(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", "data", *map(os.fspath, words)]  # type: ignore[arg-type]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images of two classes; the names hold a line break, a terminal's command and a byte that is no UTF-8."""
    rng = np.random.default_rng(0)
    root = Path(os.fsdecode(os.fsencode(str(tmp_path)) + b"/set\xe9"))
    for label in ("a\nb", "\x1b[31mred"):
        (root / label).mkdir(parents=True)
        for index in range(10):
            Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(root / label / f"{index}.png")
    return root


def test_names_can_neither_break_a_line_nor_command_the_terminal(images: Path, tmp_path: Path) -> None:
    done = _data("audit", images, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "classes: \\x1b[31mred (10), a\\nb (10)" in done.stdout.splitlines()
    assert done.stdout.startswith("set\\udce9: 20 files")


def test_an_audit_of_odd_names_is_json(images: Path, tmp_path: Path) -> None:
    done = _data("audit", images, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    assert output["card"]["name"] == "set\\udce9"
    assert output["findings"]["class_counts"] == {"a\nb": 10, "\x1b[31mred": 10}


def test_an_audit_counts_what_becomes_of_the_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for index in range(3):
            path = tmp_path / "set" / label / f"{index}.png"
            Image.fromarray(rng.integers(0, 4000, (24, 24), np.uint16)).save(path)
        Image.fromarray(rng.integers(0, 255, (24, 24, 4), np.uint8)).save(path)
    lines = _data("audit", tmp_path / "set", cwd=tmp_path).stdout.splitlines()
    start = lines.index("on the way to 8-bit RGB (docs/pixels.md):")
    assert lines[start + 1] == "    2 images: transparency laid on white"
    scaled = r"    4 images of 16 bits a channel: all scaled from 12 bits to 8 \(the highest value is 3,9..\)"
    assert re.fullmatch(scaled, lines[start + 2])


def test_an_audit_lists_what_a_run_would_refuse(images: Path, tmp_path: Path) -> None:
    (images / "bare").mkdir()
    output = _data("audit", images, cwd=tmp_path).stdout
    assert "classes without a readable image (a run refuses them): 1\n    bare\n" in output
    assert "only one class" not in output
    (images / "bare").rmdir()
    shutil.rmtree(images / "a\nb")
    output = _data("audit", images, cwd=tmp_path).stdout
    assert (
        "classes without a readable image (a run refuses them): 0\nonly one class: a run needs two or more\n" in output
    )


def test_a_split_by_a_column_keeps_its_groups_whole(images: Path, tmp_path: Path) -> None:
    labels = sorted(folder.name for folder in images.iterdir())
    table = images / "list.csv"
    rows = [(f"{label}/{index}.png", label, f"{label}{index // 2}") for label in labels for index in range(10)]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "patient"), *rows])
    done = _data("split", table, "--out", "split.csv", "--group-column", "patient", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "method grouped" in done.stdout
    patient = {name: group for name, _, group in rows}
    with (tmp_path / "split.csv").open(newline="") as file:
        splits = {(patient[row["name"]], row["split"]) for row in csv.DictReader(file)}
    assert len(splits) == 10
    refused = _data("split", table, "--group-column", "pateint", cwd=tmp_path)
    assert refused.returncode == 2
    assert "has no column 'pateint'" in refused.stderr
    assert "Did you mean 'patient'" in refused.stderr


def test_the_columns_of_a_csv_and_the_nearness_can_be_named(tmp_path: Path) -> None:
    cells = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    lines = ["file,kind"]
    for index in range(20):
        pixels = cells.copy()
        pixels[index, index] += 1  # too little to see
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        lines.append(f"{index}.png,{'ab'[index % 2]}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    columns = ["--path-column", "file", "--label-column", "kind"]
    done = _data("audit", tmp_path / "list.csv", *columns, "--near", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "near duplicates (pairs, perceptual hash within 0)" in done.stdout
    assert "classes: a (10), b (10)" in done.stdout
    refused = _data("audit", tmp_path / "list.csv", *columns, "--near", "17", cwd=tmp_path)
    assert refused.returncode == 2
    assert "duplicates.near_threshold" in refused.stderr
    others = np.random.default_rng(1)
    for index in range(20):
        Image.fromarray(others.integers(0, 256, (24, 24, 3), np.uint8)).save(tmp_path / f"{index}.png")
    done = _data("split", tmp_path / "list.csv", *columns, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "20 images" in done.stdout


def test_commands_share_the_options_of_a_data_set() -> None:
    shared = list(inspect.signature(_fields).parameters)
    commands = typer.main.get_command(data_app).commands  # type: ignore[attr-defined]
    for name in ("audit", "split"):
        assert [option.name for option in commands[name].params[: len(shared)]] == shared
    source = next(option for option in commands["split"].params if option.name == "source")
    assert all(kind in source.help for kind in SOURCES.entries)


def test_an_unknown_source_gets_the_nearest(tmp_path: Path) -> None:
    for command in ("audit", "split"):
        refused = _data(command, tmp_path, "--source", "foldr", cwd=tmp_path)
        assert refused.returncode == 2
        assert "source: unknown source 'foldr'; choose from folder, zip, pbc" in refused.stderr
        assert "Did you mean 'folder'?" in refused.stderr


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """Images of two classes, each with four patients."""
    rng = np.random.default_rng(0)
    root = tmp_path / "nested"
    for label in ("benign", "malignant"):
        for patient in range(4):
            folder = root / label / f"patient_{label[0]}{patient}"
            folder.mkdir(parents=True)
            for index in range(3):
                Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(folder / f"{index}.png")
    return root


def test_folders_that_could_be_read_in_several_ways_are_refused_and_a_setting_decides(
    nested: Path, tmp_path: Path
) -> None:
    for command in ("audit", "split"):
        refused = _data(command, nested, cwd=tmp_path)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "'{class}/*/*' for the classes 'benign', 'malignant'" in refused.stderr
    by_option = _data("audit", nested, "--layout", "{class}/{group}/*", cwd=tmp_path)
    by_setting = _data("audit", nested, "--set", "dataset.layout={class}/{group}/*", cwd=tmp_path)
    for done in (by_option, by_setting):
        assert done.returncode == 0, done.stderr
        assert (
            "layout {class}/{group}/* (as dataset.layout says)\n    no split: 24 files: benign (12), malignant (12)\n"
            in done.stdout
        )
    split = _data("split", nested, "--layout", "{class}/{group}/*", cwd=tmp_path)
    assert split.returncode == 0, split.stderr
    assert "2 classes: benign (12), malignant (12); grouped split" in split.stdout
    with (tmp_path / "split.csv").open(newline="") as file:
        held = {(Path(row["name"]).parent.name, row["split"]) for row in csv.DictReader(file)}
    assert len(held) == 8


def test_an_audit_prints_the_tree_of_an_official_split(images: Path, tmp_path: Path) -> None:
    root = tmp_path / "official"
    for split in ("train", "val"):
        shutil.copytree(images, root / "inner" / split)
    done = _data("audit", root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "layout {split}/{class}/* in inner (found; dataset.layout sets another)\n"
        "    train: 20 files: \\x1b[31mred (10), a\\nb (10)\n"
        "    validation: 20 files: \\x1b[31mred (10), a\\nb (10)\n"
    ) in done.stdout
    output = json.loads(_data("audit", root, "--json", cwd=tmp_path).stdout)
    assert output["card"]["layout"] == {"pattern": "{split}/{class}/*", "given": False, "inside": "inner"}
    assert output["by_split"]["train"] == {"a\nb": 10, "\x1b[31mred": 10}


def test_advice_can_be_followed_where_it_is_given(images: Path, tmp_path: Path) -> None:
    root = tmp_path / "official"
    for number, split in enumerate(("train", "val")):
        for label, name in (("a\nb", "a"), ("\x1b[31mred", "b")):
            (root / split / name).mkdir(parents=True)
            for file in sorted((images / label).iterdir())[number * 5 : number * 5 + 5]:
                shutil.copy(file, root / split / name)
    refused = _data("split", root, cwd=tmp_path)
    assert refused.returncode == 2
    assert "none for test" in refused.stderr
    assert "split.method=stratified" in refused.stderr
    for advice in (("--set", "split.method=stratified"), ("--method", "stratified")):
        done = _data("split", root, *advice, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "method stratified" in done.stdout


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epochs=3", "It takes dataset.KEY or split.KEY"),
        ("dataset.layuot=x", "Did you mean 'layout'?"),
        ("dataset.layout=wrong", "must end with the images"),
        ("dataset.zip_encoding=klingon", "is no encoding of names"),
        ("split", "write key=value"),
    ],
)
def test_settings_of_no_data_set_are_refused(images: Path, tmp_path: Path, setting: str, message: str) -> None:
    refused = _data("split", images, "--set", setting, cwd=tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr


def test_a_run_says_in_a_line_how_it_understood_the_data(nested: Path, tmp_path: Path) -> None:
    layout = "dataset.layout={class}/{group}/*"
    settings = ["--set", "models=[resnet18]", "--set", "dataset.image_size=32", "--set", layout]
    command = [sys.executable, "-m", "bench", "run", "vit-vs-cnn", "--data", os.fspath(nested), *settings, "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        "data: layout {class}/{group}/* (as dataset.layout says); 2 classes: benign (12), malignant (12); grouped split"
    ) in done.stdout
