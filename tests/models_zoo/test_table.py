from __future__ import annotations

from models_zoo import get_spec, list_specs
from models_zoo.table import model_rows


def test_every_registered_model_has_a_row_with_its_figures() -> None:
    rows = model_rows()
    assert [row.name for row in rows] == [spec.name for spec in list_specs()]
    for row in rows:
        if get_spec(row.name).library == "timm":
            assert row.parameters is not None
            assert row.parameters > 1_000_000
            assert row.macs is not None
            assert row.flops == 2 * row.macs


def test_rows_are_filtered() -> None:
    assert {row.family for row in model_rows(family="hybrid")} == {"hybrid"}
    assert [row.name for row in model_rows(text="lite0")] == ["efficientnet_lite0"]


def test_fewer_tokens_cost_less_while_the_projection_grows() -> None:
    rows = {row.name: row for row in model_rows(text="vit_small_p")}
    macs = [rows[f"vit_small_p{patch}"].macs or 0 for patch in (8, 16, 32)]
    assert macs == sorted(macs, reverse=True)
    parameters = [rows[f"vit_small_p{patch}"].parameters or 0 for patch in (32, 64, 128)]
    assert parameters == sorted(parameters)
