from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from models_zoo import ModelZooError, get_spec, summary
from models_zoo.summary import BATCH_SIZES, PRECISIONS, ModelSummary, describe


def test_a_summary_holds_everything() -> None:
    found = describe("vit_tiny_p32", 128, num_classes=8)
    assert (found.patch, found.tokens, found.layers, found.num_features) == (32, 17, 50, 192)
    assert sum(found.parameters_by_part.values()) == found.parameters
    assert found.flops == 2 * found.macs > 0
    assert [(m.precision, m.batch_size) for m in found.memory] == [(p, b) for p in PRECISIONS for b in BATCH_SIZES]
    for estimate in found.memory:
        assert estimate.train_all_mib > estimate.frozen_mib > 4 * found.parameters / 2**20


def test_the_figures_are_printed_as_the_catalog_has_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "list_specs", lambda: [get_spec("vit_tiny_p32"), get_spec("resnet18")])
    summary.main()
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    assert printed == [f'    "{name}": {get_spec(name).counts},' for name in ("vit_tiny_p32", "resnet18")]


def test_wrong_input_is_reported_in_one_message() -> None:
    with pytest.raises(ModelZooError, match="Did you mean 'resnet18'"):
        describe("resnt18")
    with pytest.raises(ModelZooError, match="192 or 256"):
        describe("vit_tiny_p64", 224)


def test_a_summary_survives_json() -> None:
    found = describe("resnet18", 64, num_classes=8)
    assert ModelSummary.from_dict(json.loads(json.dumps(asdict(found)))) == found


def test_importing_it_is_instant() -> None:
    code = "import sys, models_zoo.summary; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
