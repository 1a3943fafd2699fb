from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli.schema import schema
from bench.results.json_schema import STORED_FILES, run_schema

COMMITTED = Path(__file__).parents[3] / "docs" / "run-schema.json"


def test_the_committed_schema_is_the_present_one() -> None:
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    assert committed == run_schema(), "out of date: run `patchbench schema --out docs/run-schema.json` and commit it"


def test_it_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema(None)
    printed = json.loads(capsys.readouterr().out)
    schema(tmp_path / "schema.json")
    assert printed == json.loads((tmp_path / "schema.json").read_text(encoding="utf-8")) == run_schema()
    assert set(printed["properties"]) == set(STORED_FILES)


def test_every_stored_field_says_what_it_is() -> None:
    fields = [
        (f"{model}.{name}", field)
        for model, held in run_schema()["$defs"].items()
        for name, field in held.get("properties", {}).items()
    ]
    assert len(fields) > 200
    silent = [name for name, field in fields if not field.get("description") and "$ref" not in field]
    assert silent == [], "these have no docstring"
