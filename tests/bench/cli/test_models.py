from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.cli import models
from bench.cli.models import show_model, show_models
from bench.cli.models_worker import count_models, summarize
from bench.errors import ModelError
from models_zoo.summary import describe
from tests.isolated_here import call_here


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count and measure in this process."""
    monkeypatch.setattr(models, "call_isolated", call_here)


def test_the_table_at_its_own_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    show_models("cnn", "resnet-18")
    out, err = capsys.readouterr()
    assert re.search(r"resnet18 +cnn +224 +11\.7 M +3\.63 +hub:timm/resnet18\.a1_in1k", out)
    assert "1 models. Parameters with a head for 1000 classes" in out
    assert not err


@pytest.mark.usefixtures("here")
def test_the_table_at_another_size_and_head(capsys: pytest.CaptureFixture[str]) -> None:
    show_models("vit", "tiny", image_size=96, classes=8)
    out, err = capsys.readouterr()
    assert re.search(r"vit_tiny_p16 +vit +16 +96 +5\.5 M +0\.4\d +hub:", out)
    assert re.search(r"vit_tiny_p64 +vit +64 +96 +hub:", out), "64 does not divide 96"
    assert "a head for 8 classes" in out
    assert "Empty: the model cannot take this size." in out
    assert "counting 5 models" in err


@pytest.mark.usefixtures("here")
def test_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    show_model("vit_tiny_p64", 256, 8)
    out = capsys.readouterr().out
    assert re.search(r"^tokens +17\s", out, re.MULTILINE)
    for part in ("patch projection", "tokens and positions", "blocks", "head", "FLOPs of one image"):
        assert part in out
    rows = re.findall(r"^(fp32|bf16, fp16) +(\d+) +([\d,]+) +([\d,]+)", out, re.MULTILINE)
    assert [(precision, int(batch)) for precision, batch, *_ in rows] == [
        (precision, batch) for precision in ("fp32", "bf16, fp16") for batch in (1, 8, 32, 128)
    ]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("resnt18", None, "Did you mean 'resnet18'"),
        ("vit_tiny_p64", 96, "Set image_size to 64 or 128"),
        ("timm:resnt18", None, "Did you mean 'timm:resnet18'"),
    ],
)
def test_a_mistake_is_reported(name: str, size: int | None, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        show_model(name, size, 1000)


def test_what_the_child_measures_of_one_model() -> None:
    found = summarize("resnet18", 64, 8)
    assert (found["name"], found["tokens"], found["image_size"]) == ("resnet18", None, 64)
    assert found["parameters_by_part"]["head"] == 512 * 8 + 8
    with pytest.raises(ModelError, match="Did you mean 'resnet18'"):
        summarize("resnt18", None, 8)


def test_what_the_child_measures_of_many_models() -> None:
    counts = count_models(["vit_tiny_p32", "vit_tiny_p128"], 96, 8)
    found = describe("vit_tiny_p32", 96, num_classes=8)
    assert counts == {"vit_tiny_p32": (found.parameters, found.macs), "vit_tiny_p128": None}


def test_a_users_function_may_print_and_fails_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the user hides a module of Python')")
    (tmp_path / "own_models.py").write_text(
        "from torch import nn\n"
        "def small(num_classes, **_):\n"
        "    print('{\"value\": 1}')\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, num_classes))\n"
        "def broken(**_):\n"
        "    raise SystemExit('broken on purpose')\n"
    )
    show_model("python:own_models:small", 32, 8)
    assert re.search(r"^features +3\s", capsys.readouterr().out, re.MULTILINE)
    with pytest.raises(ModelError, match="broken on purpose"):
        show_model("python:own_models:broken", 32, 8)
