from __future__ import annotations

import re

import pytest

from bench.cli.models import show_model, show_models
from bench.errors import ModelError


def test_the_table_at_its_own_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    show_models("cnn", "resnet-18")
    out, err = capsys.readouterr()
    assert re.search(r"resnet18 +cnn +224 +11\.7 M +3\.63 +hub:timm/resnet18\.a1_in1k", out)
    assert "1 models. Parameters with a head for 1000 classes" in out
    assert not err


def test_the_table_at_another_size_and_head(capsys: pytest.CaptureFixture[str]) -> None:
    show_models("vit", "tiny", image_size=96, classes=8)
    out, err = capsys.readouterr()
    assert re.search(r"vit_tiny_p16 +vit +16 +96 +5\.5 M +0\.4\d +hub:", out)
    assert re.search(r"vit_tiny_p64 +vit +64 +96 +hub:", out), "64 does not divide 96"
    assert "a head for 8 classes" in out
    assert "Empty: the model cannot take this size." in out
    assert "counting 5 models" in err


def test_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    show_model("vit_tiny_p64", 256, 8)
    out = capsys.readouterr().out
    assert re.search(r"^tokens +17\s", out, re.MULTILINE)
    for part in ("patch projection", "tokens and positions", "blocks", "head", "FLOPs of one image"):
        assert part in out
    rows = re.findall(r"^(fp32|bf16, fp16) +(\d+) +([\d,]+) +([\d,]+)", out, re.MULTILINE)
    assert [(precision, int(batch)) for precision, batch, *_ in rows] == [
        (precision, batch) for precision in ("fp32", "bf16, fp16") for batch in (1, 8, 32, 128)
    ]


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("resnt18", None, "Did you mean 'resnet18'"),
        ("vit_tiny_p64", 96, "Set image_size to 64 or 128"),
        ("timm:resnt18", None, "Did you mean 'timm:resnet18'"),
    ],
)
def test_a_mistake_is_told(name: str, size: int | None, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        show_model(name, size, 1000)
