from __future__ import annotations

import json

import pytest

from models_zoo import ModelZooError
from models_zoo.summary import BATCH_SIZES, PRECISIONS, describe, main


def test_a_card_tells_all() -> None:
    card = describe("vit_tiny_p32", 128, num_classes=8)
    assert (card.patch, card.tokens, card.layers, card.num_features) == (32, 17, 50, 192)
    assert sum(card.parameters_by_part.values()) == card.parameters
    assert card.flops == 2 * card.macs > 0
    assert [(m.precision, m.batch_size) for m in card.memory] == [(p, b) for p in PRECISIONS for b in BATCH_SIZES]
    for estimate in card.memory:
        assert estimate.train_all_mib > estimate.frozen_mib > 4 * card.parameters / 2**20


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resnet18", "--image-size", "64", "--classes", "8"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["name"], card["tokens"], card["image_size"]) == ("resnet18", None, 64)
    assert card["parameters_by_part"]["head"] == 512 * 8 + 8


def test_wrong_input_is_told_in_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resnt18"]) == 2
    assert "Did you mean 'resnet18'" in capsys.readouterr().err
    assert main([]) == 2
    with pytest.raises(ModelZooError, match="192 or 256"):
        describe("vit_tiny_p64", 224)


def test_a_table_of_many_at_one_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--table", "vit_tiny_p32", "vit_tiny_p128", "--image-size", "96", "--classes", "8"]) == 0
    figures = json.loads(capsys.readouterr().out)
    card = describe("vit_tiny_p32", 96, num_classes=8)
    assert figures == {"vit_tiny_p32": [card.parameters, card.macs], "vit_tiny_p128": None}
